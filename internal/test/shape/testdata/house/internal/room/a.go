package room

type A[T any] struct{ b *B[T] }

func (a A[T]) Get() T { return a.b.value }
