package jsonata

import (
	"github.com/openintegrationhub/leat/jsonata/internal/picture"
)

var timeFunctions = []builtin{
	{"now", "<s?s?:s>", 2, fnNow},
	{"millis", "<:n>", 0, fnMillis},
	{"toMillis", "<s-s?:n>", 2, fnToMillis},
	{"fromMillis", "<n-s?s?:s>", 3, fnFromMillis},
}

func fnNow(c *call, args []Value) (Value, *Error) {
	return formatMillis(float64(c.ev.time().UnixMilli()), args[0], args[1])
}

func fnMillis(c *call, _ []Value) (Value, *Error) {
	return number(float64(c.ev.time().UnixMilli())), nil
}

func fnFromMillis(_ *call, args []Value) (Value, *Error) {
	if args[0].k != kNumber {
		return Value{}, nil
	}
	return formatMillis(args[0].num(), args[1], args[2])
}

func formatMillis(millis float64, pic, zone Value) (Value, *Error) {
	p, z := picture.ISO, "0000"
	if pic.k == kString {
		if err := legible(pic, zone); err != nil {
			return Value{}, err
		}
		p = pic.str()
	}
	if zone.k == kString {
		z = zone.str()
	}
	return textOf(picture.FormatDateTime(millis, p, z))
}

func fnToMillis(c *call, args []Value) (Value, *Error) {
	if args[0].k != kString {
		return Value{}, nil
	}
	s := args[0].str()
	if args[1].k != kString {
		millis, ok := picture.ParseISO(s)
		if !ok {
			return Value{}, fail("D3110", args[0])
		}
		return number(millis), nil
	}
	if err := c.ev.work(len(s)); err != nil {
		return Value{}, err
	}
	if err := legible(args[1], args[0]); err != nil {
		return Value{}, err
	}
	millis, ok, err := picture.ParseDateTime(s, args[1].str(), c.ev.time())
	switch {
	case err != nil:
		return Value{}, pictureError(err)
	case !ok:
		return Value{}, nil
	}
	return number(millis), nil
}
