"""The verbs: what each transform does with a primitive."""
