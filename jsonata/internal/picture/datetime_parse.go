package picture

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// ParseDateTime parses a timestamp by a picture into milliseconds since 1970; what the picture leaves out is taken from
// now, or from the start of the year, month or day. It reports false if the text doesn't match.
func ParseDateTime(s, picture string, now time.Time) (millis float64, ok bool, err error) {
	parts, err := analyseDateTime(picture)
	if err != nil {
		return 0, false, err
	}
	var pattern strings.Builder
	pattern.WriteString("(?is)^")
	for _, c := range parts {
		p, err := c.pattern()
		if err != nil {
			return 0, false, err
		}
		pattern.WriteString("(" + p + ")")
	}
	pattern.WriteString(`$`)
	re, err := regexp.Compile(pattern.String())
	if err != nil {
		return 0, false, &Error{Code: "D3132", Value: picture}
	}
	found := re.FindStringSubmatch(s)
	if found == nil {
		return 0, false, nil
	}
	values := map[string]float64{}
	for i, c := range parts {
		if c.letter == "" {
			continue
		}
		if v, known := c.parse(found[i+1]); known {
			values[c.letter] = v
		} else {
			delete(values, c.letter)
		}
	}
	if len(parts) == 0 || len(values) == 0 && noMarkers(parts) {
		return 0, false, nil
	}
	return assemble(values, dateOf(float64(now.UnixMilli())))
}

func noMarkers(parts []*component) bool {
	for _, c := range parts {
		if c.letter != "" {
			return false
		}
	}
	return true
}

// pattern is the regular expression that a part matches. It has no groups of its own.
func (c *component) pattern() (string, error) {
	switch {
	case c.letter == "":
		return regexp.QuoteMeta(c.literal), nil
	case c.letter == "Z" || c.letter == "z":
		return c.zonePattern(), nil
	case c.letter == "f" && (c.integer == nil || c.integer.primary != decimal || c.integer.ordinal):
		return "[0-9]+", nil // decimals are digits, whatever the picture says
	case c.integer != nil:
		return c.integer.pattern()
	case strings.Contains("MxFP", c.letter):
		return "[a-zA-Z]+", nil
	}
	return "", &Error{Code: "D3133", Value: c.letter}
}

func (f *integerFormat) pattern() (string, error) {
	switch f.primary {
	case letters:
		if f.letterCase == upper {
			return "[A-Z]+", nil
		}
		return "[a-z]+", nil
	case roman:
		if f.letterCase == upper {
			return "[MDCLXVI]+", nil
		}
		return "[mdclxvi]+", nil
	case words:
		return wordPattern, nil
	case sequence:
		return "", &Error{Code: "D3130", Value: f.token}
	}
	p := "[0-9]+"
	switch {
	case f.parseWidth > 0:
		p = "[0-9]{" + strconv.Itoa(min(f.parseWidth, 1000)) + "}"
	case f.parseWidth < 0: // no repetition for JavaScript, but text
		p = `[0-9]\{` + strconv.Itoa(f.parseWidth) + `\}`
	}
	if f.ordinal {
		p += "(?:th|st|nd|rd)"
	}
	return p, nil
}

func (c *component) separator() string {
	if c.integer != nil && c.integer.regular > 0 {
		return c.integer.separators[0].char
	}
	return ""
}

func (c *component) zonePattern() string {
	p := "[-+][0-9]+"
	if sep := c.separator(); sep != "" {
		if sep != "." { // any character, as in the reference
			sep = regexp.QuoteMeta(sep)
		}
		p += sep + "[0-9]+"
	}
	if c.letter == "z" {
		p = "GMT" + p
	}
	return p
}

// parse gives the value of what the part has matched; false if it's no known name.
func (c *component) parse(s string) (float64, bool) {
	switch {
	case c.letter == "Z" || c.letter == "z":
		return c.parseZone(s), true
	case c.letter == "f":
		f, _ := strconv.ParseFloat("0."+s[:min(3, len(s))], 64)
		return math.Trunc(f * 1000), true // which may be one too few, as in the reference
	case c.integer != nil:
		return c.integer.parse(s), true
	case c.letter == "P":
		switch s {
		case "am", "AM":
			return 0, true
		case "pm", "PM":
			return 1, true
		}
		return 0, false
	}
	list, first := months, 1
	if c.letter == "F" {
		list, first = weekdays, 0
	}
	v, ok := 0.0, false
	for i, name := range list {
		if c.maxWidth != 0 && c.maxWidth == c.maxWidth {
			name = name[:int(max(0, min(float64(len(name)), c.maxWidth)))]
		}
		if name == s {
			v, ok = float64(i+first), true
		}
	}
	return v, ok
}

// parseFraction reads decimals of a second as milliseconds.
func parseFraction(s string) float64 {
	for len(s) < 3 {
		s += "0"
	}
	v, _ := strconv.ParseFloat(s[:3], 64)
	return v
}

// parseZone gives the offset in minutes.
func (c *component) parseZone(s string) float64 {
	if c.letter == "z" {
		s = s[min(3, len(s)):]
	}
	if sep := c.separator(); sep != "" {
		h, m, found := strings.Cut(s, sep)
		if !found {
			return math.NaN()
		}
		return leadingInteger(h)*60 + leadingInteger(m)
	}
	if len(s) <= 3 {
		return leadingInteger(s) * 60
	}
	return leadingInteger(s[:3])*60 + leadingInteger(s[3:])
}

// Which parts a picture may combine: bits in the order YXMxWwdD and PHhmsf.
const (
	dateYMD  = 0b10100001
	dateYD   = 0b10000010
	dateXxw  = 0b01010100
	dateXW   = 0b01001000
	timeHms  = 0b010111
	timePhms = 0b101111
)

func assemble(values map[string]float64, now *date) (float64, bool, error) {
	mask := func(order string) int {
		m := 0
		for i := range len(order) {
			m <<= 1
			if v, ok := values[order[i:i+1]]; ok && v != 0 && v == v {
				m |= 1
			}
		}
		return m
	}
	dates, times := mask("YXMxWwdD"), mask("PHhmsf")
	isType := func(m, kind int) bool { return m&^kind == 0 && m&kind != 0 }
	order, byDay := "YMD", false
	switch {
	case isType(dates, dateYMD):
	case isType(dates, dateYD):
		order, byDay = "YD", true
	}
	weeks := false
	switch {
	case isType(dates, dateXxw):
		order, weeks = "XxwF", true
	case isType(dates, dateXW):
		order, weeks = "XWF", true
	}
	half := !isType(times, timeHms) && isType(times, timePhms)
	if half {
		order += "Phmsf"
	} else {
		order += "Hmsf"
	}
	begun, ended := false, false
	for i := range len(order) {
		letter := order[i : i+1]
		if _, ok := values[letter]; ok {
			if begun = true; ended {
				return 0, false, &Error{Code: "D3136"}
			}
			continue
		}
		switch {
		case !begun:
			values[letter] = now.part(letter)
		case strings.Contains("MDd", letter):
			values[letter], ended = 1, true
		default:
			values[letter], ended = 0, true
		}
	}
	if weeks {
		return 0, false, &Error{Code: "D3136"}
	}
	return combine(values, byDay, half), true, nil
}

func combine(v map[string]float64, byDay, half bool) float64 {
	month := 0.0
	if v["M"] > 0 {
		month = v["M"] - 1
	}
	day := v["D"]
	if byDay {
		first := utc(v["Y"], 0, 1, 0, 0, 0, 0)
		d := dateOf(first + (v["d"]-1)*dayMillis)
		month, day = d.part("M")-1, d.part("D")
	}
	hour := v["H"]
	if half {
		hour = v["h"]
		if hour == 12 {
			hour = 0
		}
		if v["P"] == 1 {
			hour += 12
		}
	}
	millis := utc(v["Y"], month, day, hour, v["m"], v["s"], v["f"])
	for _, zone := range []float64{v["Z"], v["z"]} {
		if zone != 0 && zone == zone {
			return millis - zone*60*1000
		}
	}
	return millis
}

// utc is JavaScript's Date.UTC: parts may be out of range, and years 0 to 99 mean 1900 to 1999.
func utc(year, month, day, hour, minute, second, milli float64) float64 {
	for _, p := range []float64{year, month, day, hour, minute, second, milli} {
		if math.IsNaN(p) || math.Abs(p) > 1e9 {
			return math.NaN()
		}
	}
	if year >= 0 && year <= 99 {
		year += 1900
	}
	days := time.Date(int(year), time.Month(int(month)+1), 1, 0, 0, 0, 0, time.UTC).Unix() / 86400
	total := (float64(days)+day-1)*dayMillis + hour*3600_000 + minute*60_000 + second*1000 + milli
	if math.Abs(total) > farthest {
		return math.NaN()
	}
	return total
}

var isoPattern = regexp.MustCompile(`^(\d{4})(-[01]\d)?(-[0-3]\d)?(T[0-2]\d:[0-5]\d:[0-5]\d)?(\.\d+)?([+-][0-2]\d:?[0-5]\d|Z)?$`)

var isoDate = regexp.MustCompile(`^(\d{4})(?:-(\d\d))?(?:-(\d\d))?(?:T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?([+-]\d\d:?\d\d|Z)?|Z)?$`)

// ParseISO parses an ISO 8601 timestamp; false if it has not that form. A date that doesn't exist gives NaN.
func ParseISO(s string) (float64, bool) {
	if !isoPattern.MatchString(s) {
		return 0, false
	}
	m := isoDate.FindStringSubmatch(s)
	if m == nil {
		return math.NaN(), true
	}
	num := func(i int, missing float64) float64 {
		if m[i] == "" {
			return missing
		}
		return leadingInteger(m[i])
	}
	month, day, hour := num(2, 1), num(3, 1), num(4, 0)
	if month < 1 || month > 12 || day < 1 || day > 31 || hour > 24 || hour == 24 && (num(5, 0) > 0 || num(6, 0) > 0) {
		return math.NaN(), true
	}
	milli := 0.0
	if m[7] != "" {
		milli = parseFraction(m[7])
	}
	year := num(1, 0)
	first := float64(time.Date(int(year), time.Month(month), int(day), 0, 0, 0, 0, time.UTC).UnixMilli())
	millis := first + hour*3600_000 + num(5, 0)*60_000 + num(6, 0)*1000 + milli
	if zone := strings.ReplaceAll(m[8], ":", ""); zone != "" && zone != "Z" {
		offset := leadingInteger(zone[1:3])*60 + leadingInteger(zone[3:])
		if zone[0] == '-' {
			offset = -offset
		}
		millis -= offset * 60_000
	}
	return millis, true
}
