"""The original training program: python train_experimental_cnn.py --help."""

from hgcae.cli.original import main

if __name__ == "__main__":
    main()
