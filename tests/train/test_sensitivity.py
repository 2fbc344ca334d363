import numpy as np

from hgcae.train.sensitivity import sensitivity
from model.toys import STACK, autoencoder, conserving_settings, showers


def test_only_numbers_that_the_decoder_reads_cost_something():
    model = autoencoder(conserving_settings())
    level = model.level("MODULE")
    events = showers(STACK, 20)
    before = sensitivity(model, events, "MODULE")
    assert before.shape == (level.latent - 1,)
    assert (before > 0).all()
    kernel = level.decoder.trainable_variables[0]
    values = np.array(kernel.value)
    values[level.latent - 1] = 0  # the last number; what follows it is the barycentre seen from the children
    kernel.assign(values)
    after = sensitivity(model, events, "MODULE")
    assert after[-1] < 1e-9
    np.testing.assert_allclose(after[:-1], before[:-1], rtol=0.5)


def test_the_same_seed_gives_the_same_costs():
    model, events = autoencoder(conserving_settings()), showers(STACK, 20)
    np.testing.assert_array_equal(sensitivity(model, events, "ROC", seed=3), sensitivity(model, events, "ROC", seed=3))
