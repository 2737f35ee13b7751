package broker

// Sockets is how many connections the broker has, those that have not logged in included.
func (b *Broker) Sockets() int { return b.server.Size() }
