package core

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/openintegrationhub/leat/internal/broker/wire"
)

// Values of x-overflow.
const (
	overflowDropHead         = "drop-head"
	overflowRejectPublish    = "reject-publish"
	overflowRejectPublishDLX = "reject-publish-dlx"
)

// settings are a queue's arguments as it uses them; -1 means without limit.
type settings struct {
	ttl           int64 // ms
	expires       int64 // ms, 0 never
	maxLength     int
	maxBytes      int
	overflow      string
	dlx, dlk      string
	hasDLX        bool
	hasDLK        bool
	hasOverflow   bool
	maxPriority   int
	deliveryLimit int
	sac           bool
	quorum        bool
}

// Arguments that RabbitMQ knows, but not for this type of queue.
var (
	classicUnsupported = []string{
		"x-delivery-limit", "x-dead-letter-strategy", "x-quorum-initial-group-size", "x-max-in-memory-length", "x-max-in-memory-bytes",
		"x-max-age", "x-stream-max-segment-size-bytes", "x-initial-cluster-size",
	}
	quorumUnsupported = []string{
		"x-max-priority", "x-queue-mode", "x-max-age", "x-stream-max-segment-size-bytes", "x-initial-cluster-size", "x-queue-version",
	}
)

func noSettings() settings {
	return settings{ttl: -1, maxLength: -1, maxBytes: -1, deliveryLimit: -1, overflow: overflowDropHead}
}

func unsupportedArg(name, queue string, quorum bool) *Error {
	queueType := "rabbit_classic_queue"
	if quorum {
		queueType = "rabbit_quorum_queue"
	}
	return Errorf(CodePreconditionFailed, "invalid arg '%s' for %s of queue type %s", name, queue, queueType)
}

// expireMax is the longest time in ms that RabbitMQ takes.
const expireMax = 315360000000

// parseSettings reads the x-arguments of queue.declare. name is used in errors.
func parseSettings(args wire.Table, durable, exclusive, autoDelete bool, queue string) (s settings, err *Error) {
	s = noSettings()
	kind, _ := args.Get("x-queue-type")
	unsupported := classicUnsupported
	if kind == "quorum" {
		unsupported = quorumUnsupported
	}
	for _, f := range args {
		if slices.Contains(unsupported, f.Name) {
			return s, unsupportedArg(f.Name, queue, kind == "quorum")
		}
		reason := s.set(f.Name, f.Value)
		if kind, wrong := strings.CutPrefix(reason, wrongType); wrong {
			return s, Errorf(CodePreconditionFailed, "invalid type '%s' for arg '%s' in %s", kind, f.Name, queue)
		}
		if reason != "" {
			return s, Errorf(CodePreconditionFailed, "invalid arg '%s' for %s: %s", f.Name, queue, reason)
		}
	}
	if s.hasDLK && !s.hasDLX {
		return s, Errorf(CodePreconditionFailed, "invalid arg 'x-dead-letter-routing-key' for %s: routing_key_but_no_dlx_defined", queue)
	}
	if s.quorum && !durable {
		return s, Errorf(CodePreconditionFailed, "invalid property 'non-durable' for %s", queue)
	}
	if s.quorum && autoDelete {
		return s, Errorf(CodePreconditionFailed, "invalid property 'auto-delete' for %s", queue)
	}
	if s.quorum && exclusive {
		return s, Errorf(CodePreconditionFailed, "invalid property 'exclusive-owner' for %s", queue)
	}
	return s, nil
}

// set takes one argument and says what is wrong with it, in RabbitMQ's terms.
func (s *settings) set(name string, value any) (reason string) {
	var n int64
	switch name {
	case "x-message-ttl":
		s.ttl, reason = duration(value, 0)
	case "x-expires":
		s.expires, reason = duration(value, 1)
	case "x-max-length":
		n, reason = natural(value)
		s.maxLength = int(n)
	case "x-max-length-bytes":
		n, reason = natural(value)
		s.maxBytes = int(n)
	case "x-delivery-limit":
		n, reason = natural(value)
		s.deliveryLimit = int(n)
	case "x-max-priority":
		n, reason = natural(value)
		if reason == "" && n > 255 {
			reason = fmt.Sprintf("{max_value_exceeded,%d}", n)
		}
		s.maxPriority = int(n)
	case "x-overflow":
		s.hasOverflow = true
		s.overflow, reason = text(value, unacceptable(value))
		if reason == "" && !slices.Contains([]string{overflowDropHead, overflowRejectPublish, overflowRejectPublishDLX}, s.overflow) {
			reason = "invalid_overflow"
		}
	case "x-dead-letter-exchange":
		s.dlx, reason = text(value, wrongType+wire.TypeName(value))
		s.hasDLX = true
	case "x-dead-letter-routing-key":
		s.dlk, reason = text(value, unacceptable(value))
		s.hasDLK = true
	case "x-single-active-consumer":
		b, ok := value.(bool)
		if !ok {
			reason = unacceptable(value)
		}
		s.sac = b
	case "x-queue-type":
		kind, wrong := text(value, unacceptable(value))
		if reason = wrong; reason == "" && kind != "classic" && kind != "quorum" {
			reason = fmt.Sprintf("\"unsupported queue type '%s'\"", kind)
		}
		s.quorum = kind == "quorum"
	case "x-queue-mode":
		mode, wrong := text(value, unacceptable(value))
		if reason = wrong; reason == "" && mode != "default" && mode != "lazy" {
			reason = fmt.Sprintf("\"unsupported queue mode '%s'\"", mode)
		}
	case "x-queue-version":
		_, reason = natural(value)
	}
	return reason
}

// wrongType marks reasons that RabbitMQ words in another way; the type's name follows.
const wrongType = "type "

func natural(v any) (int64, string) {
	n, ok := wire.Integer(v)
	switch {
	case !ok:
		return 0, fmt.Sprintf("\"expected integer, got %s\"", wire.TypeName(v))
	case n < 0:
		return 0, fmt.Sprintf("{value_negative,%d}", n)
	}
	return n, ""
}

func duration(v any, least int64) (int64, string) {
	n, reason := natural(v)
	switch {
	case reason != "":
		return 0, reason
	case n < least:
		return 0, "{value_zero,0}"
	case n > expireMax:
		return 0, fmt.Sprintf("{value_too_large,%d}", n)
	}
	return n, ""
}

// text is v when it's a string, else wrong says what it is instead.
func text(v any, wrong string) (string, string) {
	if s, ok := v.(string); ok {
		return s, ""
	}
	return "", wrong
}

func unacceptable(v any) string { return "{unacceptable_type," + wire.TypeName(v) + "}" }

// parseExpiration reads the expiration property: a whole number of ms as text.
func parseExpiration(s string) (int64, *Error) {
	n, err := strconv.ParseUint(s, 10, 64)
	switch {
	case err == nil && n <= expireMax:
		return int64(n), nil
	case err == nil:
		return 0, Errorf(CodePreconditionFailed, "invalid expiration '%s': {value_too_large,%d}", s, n)
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n >= 0 { // "+5", "-0"
		return n, nil
	} else if err == nil {
		return 0, Errorf(CodePreconditionFailed, "invalid expiration '%s': {value_negative,%d}", s, n)
	}
	digits := 0
	for digits < len(s) && s[digits] >= '0' && s[digits] <= '9' {
		digits++
	}
	if digits > 0 && digits < len(s) {
		return 0, Errorf(CodePreconditionFailed, "invalid expiration '%s': {leftover_string,%q}", s, s[digits:])
	}
	return 0, Errorf(CodePreconditionFailed, "invalid expiration '%s': no_integer", s)
}

// sameArgs compares the named arguments of a declaration with those in place. Integers are equal when their values are.
func sameArgs(have, want wire.Table, object string, names ...string) *Error {
	for _, name := range names {
		old, hasOld := have.Get(name)
		value, hasNew := want.Get(name)
		if hasOld == hasNew && (!hasOld || equalValue(old, value)) {
			continue
		}
		if hasOld && hasNew {
			return sameFlag(name, old, value, object)
		}
		return Errorf(CodePreconditionFailed, "inequivalent arg '%s' for %s: received %s but current is %s",
			name, object, describe(value, hasNew), describe(old, hasOld))
	}
	return nil
}

func describe(v any, there bool) string {
	if !there {
		return "none"
	}
	return fmt.Sprintf("the value '%v' of type '%s'", v, wire.TypeName(v))
}

// sameFlag compares one flag or name of a declaration.
func sameFlag(name string, have, want any, object string) *Error {
	if reflect.DeepEqual(have, want) {
		return nil
	}
	return Errorf(CodePreconditionFailed, "inequivalent arg '%s' for %s: received '%v' but current is '%v'", name, object, want, have)
}
