"""How much points weigh on a trained model."""
