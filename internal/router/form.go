package router

import (
	"errors"
	"net/url"
	"strings"
)

// pairsMax bounds the names in a query or form; Node's parsers stop at the same number.
const pairsMax = 1000

var errPairs = errors.New("more than 1000 parameters")

// appendForm appends a query or form as a JSON object: names in their first order, text values, an array of texts where a name is given
// more than once. What isn't valid percent-encoding stands for itself, as Node's parsers have it.
func appendForm(dst []byte, form string) ([]byte, error) {
	if form == "" {
		return append(dst, '{', '}'), nil
	}
	if strings.Count(form, "&") >= pairsMax {
		return nil, errPairs
	}
	var room [16]pair
	pairs := room[:0]
	for part := range strings.SplitSeq(form, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		pairs = append(pairs, pair{name: unescape(name), value: unescape(value)})
	}
	link(pairs)
	dst = append(dst, '{')
	comma := false
	for i := range pairs {
		if pairs[i].follows {
			continue
		}
		if comma {
			dst = append(dst, ',')
		}
		comma = true
		dst = append(appendText(dst, pairs[i].name), ':')
		if pairs[i].next == 0 {
			dst = appendText(dst, pairs[i].value)
			continue
		}
		dst = append(dst, '[')
		for j := i; ; j = pairs[j].next {
			dst = appendText(dst, pairs[j].value)
			if pairs[j].next == 0 {
				break
			}
			dst = append(dst, ',')
		}
		dst = append(dst, ']')
	}
	return append(dst, '}'), nil
}

// pair is one name=value. Pairs of one name form a list through next, the index of the next one or 0.
type pair struct {
	name, value string
	next        int
	follows     bool // isn't the first of its name
}

func link(pairs []pair) {
	if len(pairs) <= 8 { // comparing is faster than a map here, and bounded
		for i := range pairs {
			for j := i - 1; j >= 0; j-- {
				if pairs[j].name == pairs[i].name {
					pairs[j].next, pairs[i].follows = i, true
					break
				}
			}
		}
		return
	}
	last := make(map[string]int, len(pairs))
	for i := range pairs {
		if j, found := last[pairs[i].name]; found {
			pairs[j].next, pairs[i].follows = i, true
		}
		last[pairs[i].name] = i
	}
}

func unescape(s string) string {
	if strings.IndexByte(s, '%') < 0 && strings.IndexByte(s, '+') < 0 {
		return s
	}
	plain, err := url.QueryUnescape(s)
	if err != nil {
		return s
	}
	return plain
}
