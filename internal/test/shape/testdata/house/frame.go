package house

type frame struct{ wood string }
