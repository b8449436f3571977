"""Python's numbers stay Python's: 100 * 2 is an int, 7 // 2 is 3, 7 / 2 is 3.5, 2**-1 is 0.5."""

INPUTS = [100, 2]


def run(apple, apple_num):
    price = apple * apple_num
    return price, price // 3, price / 16, apple_num**-1, -price, price % 7, divmod(price, 7)


EXPECT = """
#1 multiply(apple, apple_num)
#2 floor_divide(#1, 3)
#3 divide(#1, 16)
#4 pow(apple_num, -1)
#5 negative(#1)
#6 mod(#1, 7)
#7 floor_divide(#1, 7)
#8 mod(#1, 7)
gives #1, #2, #3, #4, #5, #6, #7, #8
"""
