package flow

import (
	"encoding/json"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// isWord tells whether a plain YAML word is true or false in YAML 1.1, which kubectl reads, and text in YAML 1.2.
func isWord(s string) bool {
	switch s {
	case "yes", "Yes", "YES", "on", "On", "ON", "y", "Y", "no", "No", "NO", "off", "Off", "OFF", "n", "N":
		return true
	}
	return false
}

// truth is what a boolean or such a word stands for.
func truth(s string) bool {
	switch strings.ToLower(s) {
	case "true", "yes", "on", "y":
		return true
	}
	return false
}

// jsonNumber writes a number of YAML as one of JSON: as it stands if it can be, otherwise (0x1F, 1_000, .5) by its worth. It's
// false, with 0, for infinity and what is no number.
func jsonNumber(s string) (string, bool) {
	if json.Valid([]byte(s)) {
		return s, true
	}
	plain := strings.ReplaceAll(s, "_", "")
	if len(plain) > 400 {
		return "0", false // longer than any number that can be meant, and dear to convert
	}
	if i, ok := new(big.Int).SetString(plain, 0); ok {
		return i.String(), true
	}
	f, err := strconv.ParseFloat(plain, 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return "0", false
	}
	return strconv.FormatFloat(f, 'g', -1, 64), true
}
