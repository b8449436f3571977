"""A recorded layer in; verdicts on its gradients out, in ball arithmetic or by differences."""
