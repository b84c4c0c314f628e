package room

func c(a A[string]) string { return a.Get() }
