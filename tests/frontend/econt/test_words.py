"""CSV files of words."""

from __future__ import annotations

import numpy as np
import pytest

from frontend.econt.toys import input_words
from hgcae.errors import DataFormatError
from hgcae.frontend.econt import read_words, write_words


def test_words_are_read_back(tmp_path):
    words = input_words(20)
    write_words(tmp_path / "in.csv", "RX_DATA", words)
    np.testing.assert_array_equal(read_words(tmp_path / "in.csv", "RX_DATA"), words)
    lines = (tmp_path / "in.csv").read_text().splitlines()
    assert lines[0] == ",".join(f"RX_DATA_{i}" for i in range(12))
    assert lines[1] == ",".join(f"{word:08x}" for word in words[0])


def test_digits_may_be_capital_and_fewer(tmp_path):
    (tmp_path / "in.csv").write_text(",".join(f"TX_DATA_{i}" for i in range(13)) + "\n" + ",".join(["F", "aB", *["0"] * 11]) + "\n")
    assert read_words(tmp_path / "in.csv", "TX_DATA")[0, :2].tolist() == [15, 171]


def test_a_file_without_lines_holds_no_words(tmp_path):
    write_words(tmp_path / "in.csv", "TX_DATA", np.zeros((0, 13), int))
    assert read_words(tmp_path / "in.csv", "TX_DATA").shape == (0, 13)


@pytest.mark.parametrize("text", ["g0000000", "", "-1", "0x1", "123456789", " 1", "é"])
def test_a_bad_word_is_named(tmp_path, text):
    write_words(tmp_path / "in.csv", "RX_DATA", input_words(4))
    lines = (tmp_path / "in.csv").read_text().splitlines()
    lines[3] = ",".join([*lines[3].split(",")[:5], text, *lines[3].split(",")[6:]])
    (tmp_path / "in.csv").write_text("\n".join(lines))
    with pytest.raises(DataFormatError, match=r"in.csv: line 4, column RX_DATA_5"):
        read_words(tmp_path / "in.csv", "RX_DATA")


@pytest.mark.parametrize(
    ("content", "message"), [("", "an empty file"), ("A,B\n1,2\n", "A,B"), (None, "line 3: found 11 fields, expected 12")]
)
def test_other_files_are_refused(tmp_path, content, message):
    if content is None:
        write_words(tmp_path / "in.csv", "RX_DATA", input_words(4))
        lines = (tmp_path / "in.csv").read_text().splitlines()
        lines[2] = lines[2].rsplit(",", 1)[0]
        content = "\n".join(lines)
    (tmp_path / "in.csv").write_text(content)
    with pytest.raises(DataFormatError, match=message):
        read_words(tmp_path / "in.csv", "RX_DATA")


def test_blanks_in_the_header_change_no_word(tmp_path):
    """0010 is 16, whatever stands before the names."""
    (tmp_path / "in.csv").write_text(", ".join(f"RX_DATA_{i}" for i in range(12)) + "\n" + ",".join(["0010"] * 12) + "\n")
    assert read_words(tmp_path / "in.csv", "RX_DATA").tolist() == [[16] * 12]
