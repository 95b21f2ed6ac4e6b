"""How models are trained: task, loop, optimisers, costs."""
