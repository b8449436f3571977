"""What passes and code generation share: kernel groups, scalar expressions, costs, and how rows use memory."""
