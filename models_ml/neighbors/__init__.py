"""Item graph: similar products by the customers that they share."""
