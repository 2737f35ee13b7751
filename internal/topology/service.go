package topology

// Names of the broker accounts of the platform's own services. The operator's may do everything; these may not.
const (
	SchedulerUser = "scheduler"
	RouterUser    = "router"
	APIUser       = "api"
)

// ServiceAccounts are what the platform's services may do in a virtual host, with any flow in it: the least that each can work with.
//
// Flows' exchanges have the flow's name, which is a DNS label; everything else of a flow has a colon in its name, and the broker's own exchanges
// have dots, so that one expression for exchanges covers all flows and nothing more.
func ServiceAccounts(vhost string) []Account {
	const (
		exchange = `[a-z0-9-]+`
		own      = `amq\.gen-.*` // the queue for replies, which the broker names
		nothing  = "^$"
	)
	return []Account{
		// A tick is published to the flow's exchange; the newest is looked up in the queue of ticks.
		{User: SchedulerUser, VHost: vhost, Configure: nothing, Write: "^" + exchange + "$", Read: "^" + exchange + ":ticks$"},
		// To bind takes writing to the queue and reading from the exchange (AMQP access control of RabbitMQ).
		{User: RouterUser, VHost: vhost, Configure: "^" + own + "$", Write: "^(" + exchange + "|" + own + ")$", Read: "^(" + exchange + "|" + own + ")$"},
		// A replay, and what is made over for ferryman steps, is published to the flow's exchange.
		{User: APIUser, VHost: vhost, Configure: nothing, Write: "^" + exchange + "$", Read: "^" + exchange + ":(errors|deadletters|snapshots|unroutable|ferry)$"},
	}
}
