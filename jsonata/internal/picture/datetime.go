package picture

import (
	"math"
	"strings"
	"time"
)

// names says how a component is written as a name.
type names uint8

const (
	numeric names = iota
	lowerNames
	upperNames
	titleNames
)

// component is a part of a date-time picture: literal text or a marker such as [Y0001].
type component struct {
	literal  string
	letter   string // of the marker; empty for literal text
	names    names
	second   byte // presentation modifier t, o, a or c
	integer  *integerFormat
	limited  bool    // there is a maxWidth
	maxWidth float64 // as it's written: it may be no number
	digits   float64 // of the year: how many count; -1 all
}

var defaultPresentation = map[string]string{"Y": "1", "M": "1", "D": "1", "d": "1", "F": "n", "W": "1", "w": "1", "X": "1", "x": "1",
	"H": "1", "h": "1", "P": "n", "m": "01", "s": "01", "f": "1", "Z": "01:01", "z": "01:01", "C": "n", "E": "n"}

const integerComponents = "YMDdFWwXxHhmsf"

var months = strings.Fields("January February March April May June July August September October November December")

var weekdays = strings.Fields("- Monday Tuesday Wednesday Thursday Friday Saturday Sunday")

// analyseDateTime cuts a picture into its parts.
func analyseDateTime(picture string) ([]*component, error) {
	var parts []*component
	literal := func(s string) {
		if s != "" {
			parts = append(parts, &component{literal: strings.ReplaceAll(s, "]]", "]")})
		}
	}
	for picture != "" {
		at := strings.IndexByte(picture, '[')
		if at < 0 {
			break
		}
		literal(picture[:at])
		picture = picture[at:]
		if strings.HasPrefix(picture, "[[") {
			literal("[")
			picture = picture[2:]
			continue
		}
		end := strings.IndexByte(picture, ']')
		if end < 0 {
			return nil, &Error{Code: "D3135"}
		}
		var previous *component
		if len(parts) > 0 {
			previous = parts[len(parts)-1]
		}
		c, err := analyseMarker(strings.Join(strings.Fields(picture[1:end]), ""), previous)
		if err != nil {
			return nil, err
		}
		parts = append(parts, c)
		picture = picture[end+1:]
	}
	literal(picture)
	return parts, nil
}

func analyseMarker(marker string, previous *component) (*component, error) {
	c := &component{digits: -1}
	rest := ""
	if marker != "" {
		_, size := firstRune(marker)
		c.letter, rest = marker[:size], marker[size:]
	}
	minWidth := 0.0
	if comma := strings.LastIndexByte(marker, ','); comma >= 0 {
		low, high, ranged := strings.Cut(marker[comma+1:], "-")
		minWidth, _ = width(low)
		if ranged {
			c.maxWidth, c.limited = width(high)
		}
		rest = ","
		if comma > 0 { // substring(1, 0) is substring(0, 1) in JavaScript
			rest = marker[len(c.letter):comma]
		}
	}
	first := rest
	if len(rest) > 1 && strings.IndexByte("atco", rest[len(rest)-1]) >= 0 {
		c.second = rest[len(rest)-1]
		first = rest[:len(rest)-1]
	}
	if rest == "" {
		var ok bool
		if first, ok = defaultPresentation[c.letter]; !ok {
			return nil, &Error{Code: "D3132", Value: c.letter}
		}
	}
	switch {
	case strings.HasPrefix(first, "n"):
		c.names = lowerNames
	case strings.HasPrefix(first, "Nn"):
		c.names = titleNames
	case strings.HasPrefix(first, "N"):
		c.names = upperNames
	case c.letter != "" && strings.Contains(integerComponents, c.letter):
		return c, c.analyseInteger(first, minWidth, previous)
	}
	if c.letter == "Z" || c.letter == "z" {
		var err error
		c.integer, err = analyseInteger(first)
		return c, err
	}
	return c, nil
}

func firstRune(s string) (rune, int) {
	for i, r := range s {
		if i > 0 {
			return r, i
		}
	}
	return 0, len(s)
}

// widest is the largest width that is kept to, in characters: a picture of bounded length makes a text of bounded length.
const widest = 10_000

// width reads one side of a width modifier; false if it is none.
func width(s string) (float64, bool) {
	if s == "*" {
		return 0, false
	}
	return max(-widest, min(leadingInteger(s), widest)), true
}

func (c *component) analyseInteger(pattern string, minWidth float64, previous *component) error {
	if c.second != 0 {
		pattern += ";" + string(c.second)
	}
	f, err := analyseInteger(pattern)
	if err != nil {
		return err
	}
	c.integer = f
	digits := f.primary == decimal // only those have a number that the width can change
	if digits && minWidth > float64(f.mandatory) {
		f.mandatory = int(minWidth)
	}
	if c.letter == "Y" {
		if c.limited {
			c.digits, f.mandatory = c.maxWidth, 0
			if c.maxWidth == c.maxWidth {
				f.mandatory = int(c.maxWidth)
			}
		} else if w := f.mandatory + f.optional; digits && w >= 2 {
			c.digits = float64(w)
		}
	}
	// Digits that follow digits: how many belong to the first must be fixed.
	if previous != nil && previous.integer != nil {
		previous.integer.parseWidth = previous.integer.mandatory
	}
	return nil
}

// ISO is the picture of the default format.
const ISO = "[Y0001]-[M01]-[D01]T[H01]:[m01]:[s01].[f001][Z01:01t]"

// FormatDateTime formats milliseconds since 1970, as fn:format-dateTime. The zone is an offset such as +0100.
func FormatDateTime(millis float64, picture, zone string) (string, error) {
	offset := leadingInteger(zone)
	hours, minutes := math.Floor(offset/100), math.Mod(offset, 100)
	parts, err := analyseDateTime(picture)
	if err != nil {
		return "", err
	}
	d := dateOf(millis + (60*hours+minutes)*60*1000)
	d.hours, d.minutes = hours, minutes
	var b strings.Builder
	for _, c := range parts {
		s := c.literal
		if c.letter != "" {
			if s, err = d.format(c); err != nil {
				return "", err
			}
		}
		b.WriteString(s)
	}
	return b.String(), nil
}

// date is a moment with the offset it is shown in.
type date struct {
	t              time.Time
	valid          bool
	hours, minutes float64
}

// farthest is the range of dates, in milliseconds (ECMA-262 21.4.1.1).
const farthest = 8.64e15

func dateOf(millis float64) *date {
	if math.IsNaN(millis) || math.Abs(millis) > farthest {
		return &date{}
	}
	return &date{t: time.UnixMilli(int64(millis)).UTC(), valid: true}
}

func (d *date) format(c *component) (string, error) {
	switch c.letter {
	case "P":
		s := "am"
		if d.valid && d.t.Hour() >= 12 {
			s = "pm"
		}
		if c.names == upperNames {
			s = strings.ToUpper(s)
		}
		return s, nil
	case "C", "E":
		return "ISO", nil
	case "Z", "z":
		return d.zone(c)
	case "f":
		if c.integer == nil {
			return "", &Error{Code: "D3133", Value: c.letter}
		}
		return c.integer.format(d.part("f"))
	}
	if !strings.Contains(integerComponents, c.letter) {
		return "undefined", nil // a component that there isn't, with a presentation: so the reference
	}
	v := d.part(c.letter)
	if c.letter == "Y" && c.digits != -1 {
		v = math.Mod(v, math.Pow(10, c.digits))
	}
	if c.names == numeric {
		return c.integer.format(v)
	}
	return c.name(v)
}

func (c *component) name(v float64) (string, error) {
	var s string
	switch {
	case v != v && strings.Contains("MxF", c.letter) && c.names == titleNames && !c.limited:
		return "undefined", nil // of a date that doesn't exist: so the reference
	case (c.letter == "M" || c.letter == "x") && v >= 1:
		s = months[int(v)-1]
	case c.letter == "F" && v >= 1:
		s = weekdays[int(v)]
	default:
		return "", &Error{Code: "D3133", Value: c.letter}
	}
	switch c.names {
	case upperNames:
		s = strings.ToUpper(s)
	case lowerNames:
		s = strings.ToLower(s)
	}
	if c.limited && float64(len(s)) > c.maxWidth {
		s = s[:int(max(0, c.maxWidth))]
	}
	return s, nil
}

func (d *date) zone(c *component) (string, error) {
	offset := d.hours*100 + d.minutes
	f := c.integer
	if f == nil {
		return "", &Error{Code: "D3134"}
	}
	var s string
	var err error
	switch {
	case f.regular > 0:
		s, err = f.format(offset)
	case f.mandatory == 1 || f.mandatory == 2:
		if s, err = f.format(d.hours); err == nil && d.minutes != 0 {
			var m string
			m, err = FormatInteger(d.minutes, "00")
			s += ":" + m
		}
	case f.mandatory == 3 || f.mandatory == 4:
		s, err = f.format(offset)
	default:
		return "", &Error{Code: "D3134", Value: float64(f.mandatory)}
	}
	if err != nil {
		return "", err
	}
	if offset >= 0 {
		s = "+" + s
	}
	if c.letter == "z" {
		s = "GMT" + s
	}
	if offset == 0 && c.second == 't' {
		s = "Z"
	}
	return s, nil
}

const (
	dayMillis  = 24 * 60 * 60 * 1000
	weekMillis = 7 * dayMillis
)

// part is one number of the date; days of the week count from Monday, 1. Days and weeks are counted by Date.UTC, as the
// reference does, which takes the years 0 to 99 for 1900 to 1999.
func (d *date) part(letter string) float64 {
	if !d.valid {
		return math.NaN()
	}
	t := d.t
	year, month := t.Year(), int(t.Month())
	today := utc(float64(year), float64(month-1), float64(t.Day()), 0, 0, 0, 0)
	now := float64(t.UnixMilli())
	switch letter {
	case "Y":
		return float64(year)
	case "M":
		return float64(month)
	case "D":
		return float64(t.Day())
	case "d":
		return (today-utc(float64(year), 0, 1, 0, 0, 0, 0))/dayMillis + 1
	case "F":
		return float64((int(t.Weekday())+6)%7 + 1)
	case "W":
		return week(today, firstWeek(year-1, 1), firstWeek(year, 1), firstWeek(year+1, 1), 52)
	case "w":
		return week(today, firstWeek(year, month-1), firstWeek(year, month), firstWeek(year, month+1), 4)
	case "X":
		return float64(year + shift(now, firstWeek(year, 1), firstWeek(year+1, 1)))
	case "x":
		m := month + shift(now, firstWeek(year, month), firstWeek(year, month+1))
		return float64((m+11)%12 + 1)
	case "H":
		return float64(t.Hour())
	case "h":
		return float64((t.Hour()+11)%12 + 1)
	case "P":
		return float64(t.Hour() / 12)
	case "m":
		return float64(t.Minute())
	case "s":
		return float64(t.Second())
	case "f":
		return float64(t.Nanosecond() / 1e6)
	}
	return math.NaN()
}

// firstWeek is the Monday of the week that has the first Thursday of a year or month (ISO 8601), in milliseconds.
func firstWeek(year, month int) float64 {
	switch {
	case month < 1:
		year, month = year-1, month+12
	case month > 12:
		year, month = year+1, month-12
	}
	first := utc(float64(year), float64(month-1), 1, 0, 0, 0, 0)
	day := dateOf(first).part("F")
	if day > 4 {
		return first + (8-day)*dayMillis
	}
	return first - (day-1)*dayMillis
}

// week counts weeks from the start of the period, or of the one before or after where the day belongs to that.
func week(today, before, start, after, most float64) float64 {
	n := (today-start)/weekMillis + 1
	switch {
	case n > most && today >= after:
		n = 1
	case n < 1:
		n = (today-before)/weekMillis + 1
	}
	return math.Floor(n)
}

func shift(now, start, end float64) int {
	switch {
	case now < start:
		return -1
	case now >= end:
		return 1
	}
	return 0
}
