package core

import (
	"bytes"
	"slices"
	"strings"

	"github.com/openintegrationhub/leat/internal/broker/wire"
)

// ExchangeSpec is what exchange.declare asks for.
type ExchangeSpec struct {
	Name, Kind                    string
	Durable, AutoDelete, Internal bool
	Args                          wire.Table
}

// DeclareExchange makes an exchange, or checks that the one there is the same.
func (c *Conn) DeclareExchange(s ExchangeSpec) *Error {
	v := c.vhost
	if !slices.Contains([]string{KindDirect, KindFanout, KindTopic, KindHeaders}, s.Kind) {
		return Errorf(CodeCommandInvalid, "unknown exchange type '%s'", s.Kind)
	}
	if s.Name = oneLine(s.Name); s.Name == "" {
		return defaultExchange()
	}
	if err := c.mayConfigureExchange(s.Name); err != nil {
		return err
	}
	if x := v.exchanges[s.Name]; x != nil {
		return x.check(s)
	}
	if strings.HasPrefix(s.Name, "amq.") {
		return Errorf(CodeAccessRefused, "exchange name '%s' contains reserved prefix 'amq.*'", s.Name)
	}
	x := newExchange(v, s.Name, s.Kind)
	x.durable, x.autoDelete, x.internal, x.args = s.Durable, s.AutoDelete, s.Internal, s.Args
	if value, ok := s.Args.Get("alternate-exchange"); ok {
		name, isString := value.(string)
		if !isString {
			return Errorf(CodePreconditionFailed, "invalid type '%s' for arg 'alternate-exchange' in %s",
				wire.TypeName(value), resource("exchange", s.Name, v))
		}
		if err := c.mayReadExchange(s.Name); err != nil {
			return err
		}
		if err := c.mayWriteExchange(name); err != nil {
			return err
		}
	}
	x.applyPolicy()
	v.exchanges[x.name] = x
	v.rememberExchange(x)
	return nil
}

func defaultExchange() *Error {
	return Errorf(CodeAccessRefused, "operation not permitted on the default exchange")
}

func (x *Exchange) check(s ExchangeSpec) *Error {
	object := resource("exchange", x.name, x.vhost)
	if err := sameFlag("type", x.kind, s.Kind, object); err != nil {
		return err
	}
	if err := sameFlag("durable", x.durable, s.Durable, object); err != nil {
		return err
	}
	if err := sameFlag("auto_delete", x.autoDelete, s.AutoDelete, object); err != nil {
		return err
	}
	if err := sameFlag("internal", x.internal, s.Internal, object); err != nil {
		return err
	}
	return sameArgs(x.args, s.Args, object, "alternate-exchange")
}

// PassiveExchange answers exchange.declare with the passive flag.
func (c *Conn) PassiveExchange(name string) *Error {
	if name = oneLine(name); name == "" {
		return defaultExchange()
	}
	if c.vhost.exchanges[name] == nil {
		return noExchange(c.vhost, name)
	}
	return nil
}

// DeleteExchange removes an exchange. One that isn't there is no error.
func (c *Conn) DeleteExchange(name string, ifUnused bool) *Error {
	v := c.vhost
	if name = oneLine(name); name == "" {
		return defaultExchange()
	}
	if strings.HasPrefix(name, "amq.") {
		return Errorf(CodeAccessRefused, "deletion of system %s not allowed", resource("exchange", name, v))
	}
	if err := c.mayConfigureExchange(name); err != nil {
		return err
	}
	x := v.exchanges[name]
	if x == nil {
		return nil
	}
	if ifUnused && len(x.bindings) > 0 {
		return Errorf(CodePreconditionFailed, "%s in use", resource("exchange", name, v))
	}
	v.removeExchange(x)
	return nil
}

// BindingSpec is what the bind and unbind methods ask for.
type BindingSpec struct {
	Source      string
	Destination string
	ToExchange  bool
	Key         string
	Args        wire.Table
}

// ends finds both ends of a binding, with the permissions it takes: write on the destination, read on the source.
func (c *Conn) ends(s BindingSpec) (x *Exchange, to target, err *Error) {
	v := c.vhost
	s.Source, s.Destination = oneLine(s.Source), oneLine(s.Destination)
	if s.Source == "" || s.ToExchange && s.Destination == "" {
		return nil, to, defaultExchange()
	}
	if s.ToExchange {
		err = c.mayWriteExchange(s.Destination)
	} else {
		err = c.mayWriteQueue(s.Destination)
	}
	if err != nil {
		return nil, to, err
	}
	if err := c.mayReadExchange(s.Source); err != nil {
		return nil, to, err
	}
	x = v.exchanges[s.Source]
	if c.access != nil && x != nil && x.kind == KindTopic && !c.access.TopicRead(x.name, s.Key) {
		return nil, to, Errorf(CodeAccessRefused, "access to topic '%s' in exchange '%s' in vhost '%s' refused for user '%s'",
			s.Key, x.name, v.name, c.access.User())
	}
	if x == nil {
		return nil, to, noExchange(v, s.Source)
	}
	if s.ToExchange {
		if to.exchange = v.exchanges[s.Destination]; to.exchange == nil {
			return nil, to, noExchange(v, s.Destination)
		}
	} else if to.queue, err = c.Queue(s.Destination); err != nil {
		return nil, to, err
	}
	return x, to, nil
}

// Bind makes a binding; one that is there already stays.
func (c *Conn) Bind(s BindingSpec) *Error {
	x, to, err := c.ends(s)
	if err != nil {
		return err
	}
	raw := rawArgs(s.Args)
	if x.find(to, s.Key, raw) != nil {
		return nil
	}
	b := &Binding{source: x, to: to, key: s.Key, args: s.Args, raw: raw}
	if x.kind == KindHeaders {
		if b.match, err = newHeaderMatch(s.Args); err != nil {
			return err
		}
	}
	x.attach(b)
	c.vhost.rememberBinding(b)
	return nil
}

// Unbind removes a binding; one that isn't there, for lack of an end even, is no error.
func (c *Conn) Unbind(s BindingSpec) *Error {
	x, to, err := c.ends(s)
	if err != nil && err.Code == CodeNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	if b := x.find(to, s.Key, rawArgs(s.Args)); b != nil {
		x.detach(b)
	}
	return nil
}

// rawArgs is args as bytes in an order of its own, so that equal arguments have equal bytes.
func rawArgs(args wire.Table) []byte {
	sorted := slices.Clone(args)
	slices.SortStableFunc(sorted, func(a, b wire.Field) int { return strings.Compare(a.Name, b.Name) })
	return bytes.Clone(wire.AppendTable(nil, sorted))
}
