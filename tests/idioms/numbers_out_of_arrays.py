"""x.item(), x.tolist(), x[i] and sum(x) give numbers that are still traced."""

INPUTS = [[1.5, 2.5]]


def run(x):
    first, second = x.tolist()
    return first * second, x[1].item() + 1, sum(x), x.sum().item()


EXPECT = """
#1 getitem[0](x)
#2 item(#1)
#3 getitem[1](x)
#4 item(#3)
#5 multiply(#2, #4)
#6 getitem[1](x)
#7 item(#6)
#8 add(#7, 1)
#9 getitem[0](x)
#10 add(0, #9)
#11 getitem[1](x)
#12 add(#10, #11)
#13 sum(x)
#14 item(#13)
gives #5, #8, #12, #14
"""
