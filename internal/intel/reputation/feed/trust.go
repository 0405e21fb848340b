package feed

// defaultTrust is what lists of unknown making are trusted: alone they give a medium
// score at most.
const defaultTrust = 50

// Trust is what a feed of a format is trusted, 1 to 100, when nobody says. From 75 on (84
// for scanners, spam and floods) what it lists is blocked though no other source names
// it. That is right for lists whose maker looks at each entry and takes it off again
// when its owner has mended it, and for those of files; lists that collect what others
// report, or in which names stand for years, need a second voice.
func Trust(format string) uint8 {
	switch format {
	case "drop", "feodo", "malwarebazaar", "warninglist", "kev":
		return 90
	case "urlhaus", "sslbl":
		return 85
	case "threatfox", "maltrail": // entries of the first tell their own confidence
		return 80
	case "dshield", "ipsum":
		return 70
	}
	return defaultTrust
}
