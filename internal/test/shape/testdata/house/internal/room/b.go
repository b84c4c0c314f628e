package room

type B[T any] struct {
	value T
	a     A[int]
}
