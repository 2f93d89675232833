"""The operator: Kopf handlers feed pure decisions, and thin effects carry them out."""
