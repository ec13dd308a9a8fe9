"""argparse types of numbers within bounds; other values are refused in one sentence."""

import argparse


def _number(read, wanted, meets):
    def parse(text):
        try:
            number = read(text)
        except ValueError:
            number = None
        if number is None or not meets(number):
            raise argparse.ArgumentTypeError(f"{text} is not {wanted}")
        return number

    return parse


count = _number(int, "a whole number above 0", lambda n: n > 0)
rate = _number(float, "a number above 0 and below 1", lambda x: 0 < x < 1)
seed = _number(int, "a whole number from 0 to 4294967295", lambda n: 0 <= n < 2**32)
share = _number(float, "a number from 0 to below 1", lambda x: 0 <= x < 1)
