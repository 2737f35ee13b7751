package core

// deque is a ring buffer that grows at both ends. The zero value is empty and holds no memory; it gives memory back when it drains.
type deque[T any] struct {
	ring []T // length is a power of two
	head int
	n    int
}

// dequeKeep is the largest ring, in elements, that an empty deque holds on to.
const dequeKeep = 256

func (d *deque[T]) len() int { return d.n }

// at is the i-th element from the front.
func (d *deque[T]) at(i int) *T { return &d.ring[(d.head+i)&(len(d.ring)-1)] }

func (d *deque[T]) pushBack(v T) {
	d.grow()
	*d.at(d.n) = v
	d.n++
}

func (d *deque[T]) pushFront(v T) {
	d.grow()
	d.head = (d.head - 1) & (len(d.ring) - 1)
	d.ring[d.head] = v
	d.n++
}

func (d *deque[T]) popFront() T {
	var zero T
	v := d.ring[d.head]
	d.ring[d.head] = zero
	d.head = (d.head + 1) & (len(d.ring) - 1)
	d.n--
	if d.n == 0 && len(d.ring) > dequeKeep {
		d.ring, d.head = nil, 0
	}
	return v
}

func (d *deque[T]) grow() {
	if d.n < len(d.ring) {
		return
	}
	ring := make([]T, max(8, 2*len(d.ring)))
	for i := range d.n {
		ring[i] = *d.at(i)
	}
	d.ring, d.head = ring, 0
}

func (d *deque[T]) clear() { *d = deque[T]{} }
