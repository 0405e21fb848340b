package line

// Begins says whether b begins with lower, which is lower case, without regard
// to the case of ASCII letters.
func Begins(b []byte, lower string) bool {
	return len(b) >= len(lower) && Opens(b[:len(lower)], lower)
}

// Opens says whether b is the beginning of lower, or all of it, without regard
// to case: more bytes may make it whole.
func Opens(b []byte, lower string) bool {
	if len(b) > len(lower) {
		return false
	}
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// Contains says whether lower, which is lower case, stands anywhere in b,
// without regard to case.
func Contains(b []byte, lower string) bool {
	for i := 0; i+len(lower) <= len(b); i++ {
		if Begins(b[i:], lower) {
			return true
		}
	}
	return false
}
