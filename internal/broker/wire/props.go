package wire

import "encoding/binary"

// Property flags of class basic, section 4.2.6.1: the first property has the highest bit.
const (
	flagContentType     = 1 << 15
	flagContentEncoding = 1 << 14
	flagHeaders         = 1 << 13
	flagDeliveryMode    = 1 << 12
	flagPriority        = 1 << 11
	flagCorrelationID   = 1 << 10
	flagReplyTo         = 1 << 9
	flagExpiration      = 1 << 8
	flagMessageID       = 1 << 7
	flagTimestamp       = 1 << 6
	flagType            = 1 << 5
	flagUserID          = 1 << 4
	flagAppID           = 1 << 3
	flagClusterID       = 1 << 2
	flagsUnknown        = 1<<1 | 1
)

// Glance is what a broker must know of a message's properties; byte slices alias the property list.
type Glance struct {
	Headers       []byte // field table without its length, nil when there is none
	ReplyTo       []byte
	Expiration    []byte
	UserID        []byte
	DeliveryMode  uint8
	Priority      uint8
	HasHeaders    bool
	HasExpiration bool
	HasUserID     bool
	HasPriority   bool
}

// ParseContentHeader splits the payload of a content header frame; props aliases it and starts with the property flags.
func ParseContentHeader(p []byte) (class uint16, bodySize uint64, props []byte, err error) {
	if len(p) < propsMinSize {
		return 0, 0, nil, ErrSyntax
	}
	return binary.BigEndian.Uint16(p), binary.BigEndian.Uint64(p[4:]), p[12:], nil
}

// Look reads what the broker must know off a property list, checking that the list is whole.
func Look(props []byte) (g Glance, err error) {
	c := NewCursor(props)
	flags := c.U16()
	if flags&flagsUnknown != 0 {
		return g, ErrSyntax
	}
	if flags&flagContentType != 0 {
		c.Shortstr()
	}
	if flags&flagContentEncoding != 0 {
		c.Shortstr()
	}
	if flags&flagHeaders != 0 {
		g.Headers, g.HasHeaders = c.Longstr(), true
	}
	if flags&flagDeliveryMode != 0 {
		g.DeliveryMode = c.U8()
	}
	if flags&flagPriority != 0 {
		g.Priority, g.HasPriority = c.U8(), true
	}
	if flags&flagCorrelationID != 0 {
		c.Shortstr()
	}
	if flags&flagReplyTo != 0 {
		g.ReplyTo = c.Shortstr()
	}
	if flags&flagExpiration != 0 {
		g.Expiration, g.HasExpiration = c.Shortstr(), true
	}
	if flags&(flagMessageID|flagTimestamp|flagType|flagUserID|flagAppID|flagClusterID) == 0 {
		return g, endOf(&c)
	}
	if flags&flagMessageID != 0 {
		c.Shortstr()
	}
	if flags&flagTimestamp != 0 {
		c.U64()
	}
	if flags&flagType != 0 {
		c.Shortstr()
	}
	if flags&flagUserID != 0 {
		g.UserID, g.HasUserID = c.Shortstr(), true
	}
	if flags&flagAppID != 0 {
		c.Shortstr()
	}
	if flags&flagClusterID != 0 {
		c.Shortstr()
	}
	return g, endOf(&c)
}

func endOf(c *Cursor) error {
	if c.Err == nil && len(c.b) > 0 {
		return ErrSyntax
	}
	return c.Err
}

// Properties is a whole property list of class basic. A nil pointer or nil table means that the property is absent.
type Properties struct {
	ContentType, ContentEncoding *string
	Headers                      Table
	HasHeaders                   bool
	DeliveryMode, Priority       *uint8
	CorrelationID, ReplyTo       *string
	Expiration, MessageID        *string
	Timestamp                    *uint64
	Type, UserID, AppID          *string
	ClusterID                    *string
}

// ParseProperties reads a property list in full.
func ParseProperties(b []byte) (p Properties, err error) {
	c := NewCursor(b)
	flags := c.U16()
	if flags&flagsUnknown != 0 {
		return p, ErrSyntax
	}
	str := func(flag uint16) *string {
		if flags&flag == 0 {
			return nil
		}
		s := string(c.Shortstr())
		return &s
	}
	octet := func(flag uint16) *uint8 {
		if flags&flag == 0 {
			return nil
		}
		v := c.U8()
		return &v
	}
	p.ContentType, p.ContentEncoding = str(flagContentType), str(flagContentEncoding)
	if p.HasHeaders = flags&flagHeaders != 0; p.HasHeaders {
		p.Headers = c.Table()
	}
	p.DeliveryMode, p.Priority = octet(flagDeliveryMode), octet(flagPriority)
	p.CorrelationID, p.ReplyTo = str(flagCorrelationID), str(flagReplyTo)
	p.Expiration, p.MessageID = str(flagExpiration), str(flagMessageID)
	if flags&flagTimestamp != 0 {
		v := c.U64()
		p.Timestamp = &v
	}
	p.Type, p.UserID, p.AppID = str(flagType), str(flagUserID), str(flagAppID)
	p.ClusterID = str(flagClusterID)
	return p, endOf(&c)
}

// Append appends the property list, flags first.
func (p *Properties) Append(b []byte) []byte {
	at := len(b)
	b = append(b, 0, 0)
	var flags uint16
	str := func(flag uint16, s *string) {
		if s != nil {
			flags |= flag
			b = AppendShortstr(b, *s)
		}
	}
	octet := func(flag uint16, v *uint8) {
		if v != nil {
			flags |= flag
			b = append(b, *v)
		}
	}
	str(flagContentType, p.ContentType)
	str(flagContentEncoding, p.ContentEncoding)
	if p.HasHeaders || len(p.Headers) > 0 {
		flags |= flagHeaders
		b = AppendTable(b, p.Headers)
	}
	octet(flagDeliveryMode, p.DeliveryMode)
	octet(flagPriority, p.Priority)
	str(flagCorrelationID, p.CorrelationID)
	str(flagReplyTo, p.ReplyTo)
	str(flagExpiration, p.Expiration)
	str(flagMessageID, p.MessageID)
	if p.Timestamp != nil {
		flags |= flagTimestamp
		b = binary.BigEndian.AppendUint64(b, *p.Timestamp)
	}
	str(flagType, p.Type)
	str(flagUserID, p.UserID)
	str(flagAppID, p.AppID)
	str(flagClusterID, p.ClusterID)
	binary.BigEndian.PutUint16(b[at:], flags)
	return b
}
