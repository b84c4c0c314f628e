package house

func origin() Door { return Door{} }
