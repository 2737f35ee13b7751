package flow

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/openintegrationhub/leat/api/v1"
)

// decoder turns values into resources, and reports what has the wrong type or name. Whether the result makes sense is check's part.
type decoder struct {
	file     string
	mistakes Mistakes
	decoded  []*decoded
	current  *decoded
}

// field is a member that an object may have: its name, and how to read it into a T.
type field[T any] struct {
	name string
	read func(d *decoder, v *value, path string, to *T)
}

// report adds a mistake about a value of the current flow and marks it as spoiled. Only the first one about a value counts.
func (d *decoder) report(v *value, path, format string, args ...any) {
	d.current.bad[path] = true
	d.add(v.line, v.column, path, format, args...)
}

func (d *decoder) add(line, column int, path, format string, args ...any) {
	if d.full() {
		return
	}
	d.mistakes = append(d.mistakes, Mistake{File: d.file, Line: line, Column: column, Path: join(d.current.prefix, path), Text: fmt.Sprintf(format, args...)})
}

// full tells whether there are more mistakes than anyone wants to read, so that none has to be worked out any more.
func (d *decoder) full() bool { return len(d.mistakes) > mistakesMax }

// decode reads an object by its fields. Members that are null count as left out.
func decode[T any](d *decoder, v *value, path string, to *T, fields []field[T]) {
	if v.kind != object {
		d.report(v, path, "expected an object, found %s", v)
		return
	}
	for _, k := range v.keys {
		i := 0
		for i < len(fields) && fields[i].name != k.name {
			i++
		}
		if i == len(fields) {
			d.unknown(k, path, names(fields))
			continue
		}
		if k.value.kind != null {
			fields[i].read(d, k.value, join(path, k.name), to)
		}
	}
}

// unknown reports a member that has no meaning. What it was probably meant to be is then not reported as missing.
func (d *decoder) unknown(k key, path string, known []string) {
	if d.full() {
		return
	}
	if near, ok := nearest(k.name, known); ok {
		d.current.bad[join(path, near)] = true
		d.add(k.line, k.column, path, "unknown field %q, did you mean %q?", shorten(k.name), near)
		return
	}
	d.add(k.line, k.column, path, "unknown field %q; remove it", shorten(k.name))
}

func (d *decoder) text(v *value, path string, to *string) {
	switch v.kind {
	case text:
		*to = v.text
	case number, boolean:
		d.report(v, path, "expected text, found %s; quote it: %q", v, v.text)
	default:
		d.report(v, path, "expected text, found %s", v)
	}
}

func (d *decoder) boolean(v *value, path string, to *bool) {
	if v.kind != boolean {
		d.report(v, path, "expected true or false, found %s", v)
		return
	}
	*to = truth(v.text)
}

func (d *decoder) whole(v *value, path string, to **int32) {
	if v.kind == number {
		n, _ := jsonNumber(v.text)
		if i, err := strconv.ParseInt(n, 10, 32); err == nil {
			*to = new(int32(i))
			return
		}
	}
	d.report(v, path, "expected a whole number, found %s", v)
}

func (d *decoder) number(v *value, path string, to *float64) {
	if v.kind == number {
		n, ok := jsonNumber(v.text)
		if f, err := strconv.ParseFloat(n, 64); ok && err == nil && !math.IsInf(f, 0) {
			*to = f
			return
		}
	}
	d.report(v, path, "expected a number, found %s", v)
}

func (d *decoder) duration(v *value, path string, to **metav1.Duration) {
	if v.kind == text {
		if t, err := time.ParseDuration(v.text); err == nil {
			*to = &metav1.Duration{Duration: t}
			return
		}
	}
	d.report(v, path, "expected a duration such as 90s, 5m or 1h30m, found %s", v)
}

// quantityRule bounds what ParseQuantity has to work on: an exponent of a billion keeps it busy for ever.
var quantityRule = regexp.MustCompile(`^[+-]?[0-9]{1,18}(\.[0-9]{1,9})?([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]{1,2})?$`)

func (d *decoder) quantity(v *value, path string, to **resource.Quantity) {
	s := v.text
	switch v.kind {
	case number:
		if strings.ContainsAny(s, ".eE") && !strings.HasPrefix(s, "0x") {
			d.report(v, path, "expected a quantity, found %s; quote it: %q", v, s)
			return
		}
	case text:
	default:
		d.report(v, path, "expected a quantity such as 500m or 128Mi, found %s", v)
		return
	}
	if !quantityRule.MatchString(s) {
		d.report(v, path, "expected a quantity such as 500m or 128Mi, found %s", v)
		return
	}
	q, err := resource.ParseQuantity(s)
	if err != nil {
		d.report(v, path, "expected a quantity such as 500m or 128Mi, found %s", v)
		return
	}
	*to = &q
}

func (d *decoder) texts(v *value, path string, to *[]string) {
	if !d.isList(v, path) {
		return
	}
	*to = make([]string, len(v.list))
	for i, item := range v.list {
		d.text(item, fmt.Sprintf("%s[%d]", path, i), &(*to)[i])
	}
}

func (d *decoder) isList(v *value, path string) bool {
	if v.kind != list {
		d.report(v, path, "expected a list, found %s", v)
	}
	return v.kind == list
}

// dictionary reads an object whose names are up to its author, and whose values are text.
func (d *decoder) dictionary(v *value, path string, to *map[string]string) {
	if v.kind != object {
		d.report(v, path, "expected an object of names and text, found %s", v)
		return
	}
	*to = make(map[string]string, len(v.keys))
	for _, k := range v.keys {
		at := join(path, k.name)
		if k.value.kind == null {
			d.report(k.value, at, `expected text, found nothing; write "" for empty text`)
			continue
		}
		var s string
		d.text(k.value, at, &s)
		(*to)[k.name] = s
	}
}

func (d *decoder) data(v *value, path string, to *[]byte) {
	if v.kind != object {
		d.report(v, path, "expected an object, found %s", v)
		return
	}
	w := jsonWriter{report: func(line, column int, t trail, format string, args ...any) {
		d.current.bad[path] = true
		if !d.full() {
			at := path + t.String()
			if len(t) > 0 && t[0].index < 0 {
				at = join(path, t.String())
			}
			d.add(line, column, at, format, args...)
		}
	}}
	w.value(v)
	*to = w.Bytes()
}

// secrets reads names of secrets, each an object as in Kubernetes.
func (d *decoder) secrets(v *value, path string, to *[]v1.SecretName) {
	if !d.isList(v, path) {
		return
	}
	*to = make([]v1.SecretName, len(v.list))
	for i, item := range v.list {
		at := fmt.Sprintf("%s[%d]", path, i)
		if item.kind == text {
			d.report(item, at, "expected an object such as {name: %s}, found %s", shorten(item.text), item)
			continue
		}
		decode(d, item, at, &(*to)[i], secretFields())
	}
}
