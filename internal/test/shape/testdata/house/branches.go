package house

func sixteen(n int, more chan int) func() {
	for range n {
		for n > 3 {
			n--
		}
	}
	switch {
	case n == 1, n == 2:
	case n == 3 && n > 0 || n < 0:
	case n == 4:
	case n == 5:
	case n == 6:
	default:
	}
	select {
	case <-more:
	case more <- 1:
	default:
	}
	return func() {
		if n > 0 {
			n++
		} else if n < -1 {
			n--
		}
		if n > 1 {
			n++
		}
		if n > 2 {
			n++
		}
	}
}

var held = func(n int) bool {
	return n > 0 && n > 1 && n > 2 && n > 3 && n > 4 && n > 5 && n > 6 && n > 7 && n > 8 && n > 9 && n > 10 && n > 11 && n > 12 && n > 13 && n > 14 && n > 15 && n > 16
}

func fifteen(n int) bool {
	return n > 0 && n > 1 && n > 2 && n > 3 && n > 4 && n > 5 && n > 6 && n > 7 && n > 8 && n > 9 && n > 10 && n > 11 && n > 12 && n > 13 && n > 14
}
