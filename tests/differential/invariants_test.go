package differential

func invariants(d document, objects []object) []string { return nil }
