"""A differential fuzz: connexion's AsyncApp and PlannedApp, the same documents, the same requests."""
