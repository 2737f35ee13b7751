package regex

import "unicode"

// canonical is the form in which units are compared without regard to case (ECMA-262 22.2.2.9.3, without the u flag).
func canonical(u uint16) uint16 {
	if u < 128 {
		if u >= 'a' && u <= 'z' {
			return u - 32
		}
		return u
	}
	up := unicode.ToUpper(rune(u))
	if up > 0xFFFF || up < 128 || u == 0xDF || u == 0x149 || u == 0x1F0 || u == 0x390 || u == 0x3B0 {
		return u
	}
	return uint16(up)
}

// simpleFold walks the units that are equal but for case.
func simpleFold(u uint16) uint16 {
	f := unicode.SimpleFold(rune(u))
	for f > 0xFFFF {
		f = unicode.SimpleFold(f)
	}
	return uint16(f)
}
