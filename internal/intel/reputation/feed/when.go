package feed

import (
	"math"
	"strconv"
	"time"
)

// when reads a time of a feed in UTC: "2006-01-02 15:04:05" with or without the time
// of day, RFC 3339, or seconds or milliseconds since 1970. It is 0, unknown, for
// anything else.
func when(b []byte) uint32 {
	b = trim(b)
	if len(b) < 10 {
		return 0
	}
	if b[4] != '-' || b[7] != '-' {
		n, err := strconv.ParseInt(string(b), 10, 64)
		if err != nil {
			return 0
		}
		if len(b) > 10 {
			n /= 1000
		}
		return stamp(n)
	}
	var part [6]uint32
	for i, at := range [...][2]int{{0, 4}, {5, 7}, {8, 10}, {11, 13}, {14, 16}, {17, 19}} {
		if i >= 3 && len(b) < 19 {
			break
		}
		n, ok := number(b[at[0]:at[1]], 9999)
		if !ok {
			return 0
		}
		part[i] = n
	}
	if part[1] < 1 || part[1] > 12 || part[2] < 1 || part[2] > 31 {
		return 0
	}
	if n := len(b); n > 19 && n > 6 && (b[n-6] == '+' || b[n-6] == '-') {
		if t, err := time.Parse(time.RFC3339, string(b)); err == nil {
			return stamp(t.Unix())
		}
	}
	return stamp(time.Date(int(part[0]), time.Month(part[1]), int(part[2]), int(part[3]), int(part[4]), int(part[5]), 0, time.UTC).Unix())
}

// stamp bounds a time to what a claim can hold; 0 is unknown.
func stamp(unix int64) uint32 {
	if unix < 0 || unix > math.MaxUint32 {
		return 0
	}
	return uint32(unix)
}

// lasting reads a duration as nftables and CrowdSec write it, "1d2h3m4s500ms", or
// in seconds, "3600"; ok is false when it is none.
func lasting(s string) (seconds uint32, ok bool) {
	var total float64
	for i := 0; i < len(s); {
		start := i
		for i < len(s) && (s[i] >= '0' && s[i] <= '9' || s[i] == '.') {
			i++
		}
		n, err := strconv.ParseFloat(s[start:i], 64)
		if err != nil {
			return 0, false
		}
		unit := i
		for i < len(s) && s[i] >= 'a' && s[i] <= 'z' {
			i++
		}
		switch s[unit:i] {
		case "w":
			total += n * 7 * 86400
		case "d":
			total += n * 86400
		case "h":
			total += n * 3600
		case "m":
			total += n * 60
		case "s", "":
			total += n
		case "ms":
			total += n / 1000
		case "us", "ns":
		default:
			return 0, false
		}
	}
	return uint32(min(total, math.MaxInt32)), len(s) > 0
}

// until is the end of an entry that lasts so long from now; 0, by the source's life,
// when now is unknown.
func (o *Options) until(seconds uint32) uint32 {
	if o.Now == 0 {
		return 0
	}
	return uint32(min(uint64(o.Now)+uint64(seconds), math.MaxUint32))
}

// confidence reads 1 to 100, or a word; 0 is the source's ordinary one.
func confidence(s string) uint8 {
	switch s {
	case "low", "Low":
		return 30
	case "medium", "Medium":
		return 60
	case "high", "High":
		return 90
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || !(v > 0) {
		return 0
	}
	return uint8(max(1, min(v, 100)))
}
