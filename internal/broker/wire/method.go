package wire

// Method ids: class in the upper, method in the lower 16 bits.
const (
	ConnectionStart          = 10<<16 | 10
	ConnectionStartOk        = 10<<16 | 11
	ConnectionSecure         = 10<<16 | 20
	ConnectionSecureOk       = 10<<16 | 21
	ConnectionTune           = 10<<16 | 30
	ConnectionTuneOk         = 10<<16 | 31
	ConnectionOpen           = 10<<16 | 40
	ConnectionOpenOk         = 10<<16 | 41
	ConnectionClose          = 10<<16 | 50
	ConnectionCloseOk        = 10<<16 | 51
	ConnectionBlocked        = 10<<16 | 60
	ConnectionUnblocked      = 10<<16 | 61
	ConnectionUpdateSecret   = 10<<16 | 70
	ConnectionUpdateSecretOk = 10<<16 | 71

	ChannelOpen    = 20<<16 | 10
	ChannelOpenOk  = 20<<16 | 11
	ChannelFlow    = 20<<16 | 20
	ChannelFlowOk  = 20<<16 | 21
	ChannelClose   = 20<<16 | 40
	ChannelCloseOk = 20<<16 | 41

	ExchangeDeclare   = 40<<16 | 10
	ExchangeDeclareOk = 40<<16 | 11
	ExchangeDelete    = 40<<16 | 20
	ExchangeDeleteOk  = 40<<16 | 21
	ExchangeBind      = 40<<16 | 30
	ExchangeBindOk    = 40<<16 | 31
	ExchangeUnbind    = 40<<16 | 40
	ExchangeUnbindOk  = 40<<16 | 51

	QueueDeclare   = 50<<16 | 10
	QueueDeclareOk = 50<<16 | 11
	QueueBind      = 50<<16 | 20
	QueueBindOk    = 50<<16 | 21
	QueuePurge     = 50<<16 | 30
	QueuePurgeOk   = 50<<16 | 31
	QueueDelete    = 50<<16 | 40
	QueueDeleteOk  = 50<<16 | 41
	QueueUnbind    = 50<<16 | 50
	QueueUnbindOk  = 50<<16 | 51

	BasicQos          = 60<<16 | 10
	BasicQosOk        = 60<<16 | 11
	BasicConsume      = 60<<16 | 20
	BasicConsumeOk    = 60<<16 | 21
	BasicCancel       = 60<<16 | 30
	BasicCancelOk     = 60<<16 | 31
	BasicPublish      = 60<<16 | 40
	BasicReturn       = 60<<16 | 50
	BasicDeliver      = 60<<16 | 60
	BasicGet          = 60<<16 | 70
	BasicGetOk        = 60<<16 | 71
	BasicGetEmpty     = 60<<16 | 72
	BasicAck          = 60<<16 | 80
	BasicReject       = 60<<16 | 90
	BasicRecoverAsync = 60<<16 | 100
	BasicRecover      = 60<<16 | 110
	BasicRecoverOk    = 60<<16 | 111
	BasicNack         = 60<<16 | 120

	ConfirmSelect   = 85<<16 | 10
	ConfirmSelectOk = 85<<16 | 11

	TxSelect     = 90<<16 | 10
	TxSelectOk   = 90<<16 | 11
	TxCommit     = 90<<16 | 20
	TxCommitOk   = 90<<16 | 21
	TxRollback   = 90<<16 | 30
	TxRollbackOk = 90<<16 | 31
)

// Method is the arguments of one method that a client can send. Each kind fills only the fields its class names; see Decode.
// One flat struct instead of a type per method keeps the server's dispatch free of allocations and type switches.
type Method struct {
	ID uint32

	Queue, Exchange, RoutingKey string // queue.*, exchange.*, basic.*
	Source, Destination         string // exchange.bind and unbind
	Kind                        string // exchange.declare: type
	ConsumerTag                 string
	Args                        Table

	Passive, Durable, Exclusive, AutoDelete, Internal bool
	NoWait, NoAck, NoLocal, IfUnused, IfEmpty         bool
	Multiple, Requeue, Global, Active                 bool
	Mandatory, Immediate                              bool

	DeliveryTag   uint64
	PrefetchSize  uint32
	PrefetchCount uint16

	ChannelMax, Heartbeat uint16 // connection.tune-ok
	FrameMax              uint32
	Mechanism, Locale     string // connection.start-ok; its client properties are in Args
	Response              string // start-ok, secure-ok; update-secret: the new secret
	VirtualHost           string
	ReplyCode             uint16 // connection.close, channel.close
	ReplyText             string
}

// Split reads the method id off a method frame's payload.
func Split(payload []byte) (id uint32, args []byte, err error) {
	c := NewCursor(payload)
	id = c.U32()
	return id, c.b, c.Err
}

// UnknownMethodError is returned by Decode for an id that no client may send.
type UnknownMethodError struct{ ID uint32 }

// Error names class and method.
func (e *UnknownMethodError) Error() string { return "unknown method" }

// Decode reads the arguments of method id into m, which it resets first. Bytes behind the last argument are ignored, as RabbitMQ does.
// It is one table of the protocol, and long for that.
func (m *Method) Decode(id uint32, args []byte) error {
	*m = Method{ID: id}
	c := NewCursor(args)
	switch id {
	case ConnectionStartOk:
		m.Args = c.Table()
		m.Mechanism, m.Response, m.Locale = string(c.Shortstr()), string(c.Longstr()), string(c.Shortstr())
	case ConnectionSecureOk, ConnectionUpdateSecret:
		m.Response = string(c.Longstr())
	case ConnectionTuneOk:
		m.ChannelMax, m.FrameMax, m.Heartbeat = c.U16(), c.U32(), c.U16()
	case ConnectionOpen:
		m.VirtualHost = string(c.Shortstr())
	case ConnectionClose, ChannelClose:
		m.ReplyCode, m.ReplyText = c.U16(), string(c.Shortstr())
	case ConnectionCloseOk, ChannelOpen, ChannelCloseOk, BasicCancelOk, TxSelect, TxCommit, TxRollback:
	case ChannelFlow, ChannelFlowOk:
		m.Active = c.U8()&1 != 0
	case ExchangeDeclare:
		c.U16()
		m.Exchange, m.Kind = string(c.Shortstr()), string(c.Shortstr())
		c.bits(&m.Passive, &m.Durable, &m.AutoDelete, &m.Internal, &m.NoWait)
		m.Args = c.Table()
	case ExchangeDelete:
		c.U16()
		m.Exchange = string(c.Shortstr())
		c.bits(&m.IfUnused, &m.NoWait)
	case ExchangeBind, ExchangeUnbind:
		c.U16()
		m.Destination, m.Source, m.RoutingKey = string(c.Shortstr()), string(c.Shortstr()), string(c.Shortstr())
		c.bits(&m.NoWait)
		m.Args = c.Table()
	case QueueDeclare:
		c.U16()
		m.Queue = string(c.Shortstr())
		c.bits(&m.Passive, &m.Durable, &m.Exclusive, &m.AutoDelete, &m.NoWait)
		m.Args = c.Table()
	case QueueBind, QueueUnbind:
		c.U16()
		m.Queue, m.Exchange, m.RoutingKey = string(c.Shortstr()), string(c.Shortstr()), string(c.Shortstr())
		if id == QueueBind {
			c.bits(&m.NoWait)
		}
		m.Args = c.Table()
	case QueuePurge:
		c.U16()
		m.Queue = string(c.Shortstr())
		c.bits(&m.NoWait)
	case QueueDelete:
		c.U16()
		m.Queue = string(c.Shortstr())
		c.bits(&m.IfUnused, &m.IfEmpty, &m.NoWait)
	default:
		m.decodeBasic(&c)
	}
	return c.Err
}

func (m *Method) decodeBasic(c *Cursor) {
	switch m.ID {
	case BasicQos:
		m.PrefetchSize, m.PrefetchCount = c.U32(), c.U16()
		c.bits(&m.Global)
	case BasicConsume:
		c.U16()
		m.Queue, m.ConsumerTag = string(c.Shortstr()), string(c.Shortstr())
		c.bits(&m.NoLocal, &m.NoAck, &m.Exclusive, &m.NoWait)
		m.Args = c.Table()
	case BasicCancel:
		m.ConsumerTag = string(c.Shortstr())
		c.bits(&m.NoWait)
	case BasicPublish:
		c.U16()
		m.Exchange, m.RoutingKey = string(c.Shortstr()), string(c.Shortstr())
		c.bits(&m.Mandatory, &m.Immediate)
	case BasicGet:
		c.U16()
		m.Queue = string(c.Shortstr())
		c.bits(&m.NoAck)
	case BasicAck:
		m.DeliveryTag = c.U64()
		c.bits(&m.Multiple)
	case BasicReject:
		m.DeliveryTag = c.U64()
		c.bits(&m.Requeue)
	case BasicNack:
		m.DeliveryTag = c.U64()
		c.bits(&m.Multiple, &m.Requeue)
	case BasicRecover, BasicRecoverAsync:
		c.bits(&m.Requeue)
	case ConfirmSelect:
		c.bits(&m.NoWait)
	default:
		c.Err = &UnknownMethodError{m.ID}
	}
}

// bits reads one octet of flags, lowest bit first.
func (c *Cursor) bits(flags ...*bool) {
	b := c.U8()
	for i, f := range flags {
		*f = b&(1<<i) != 0
	}
}
