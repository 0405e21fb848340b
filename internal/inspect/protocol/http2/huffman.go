package http2

// huffmanLevel is the codes of one length of the code of RFC 7541 appendix B,
// which is canonical: codes of one length follow each other in the order of
// their symbols.
type huffmanLevel struct {
	bits  uint8
	first uint32 // the first code of this length
	count uint32
	index uint32 // of its symbol in huffmanSymbols
}

var huffmanLevels = [...]huffmanLevel{
	{5, 0x0, 10, 0},
	{6, 0x14, 26, 10},
	{7, 0x5c, 32, 36},
	{8, 0xf8, 6, 68},
	{10, 0x3f8, 5, 74},
	{11, 0x7fa, 3, 79},
	{12, 0xffa, 2, 82},
	{13, 0x1ff8, 6, 84},
	{14, 0x3ffc, 2, 90},
	{15, 0x7ffc, 3, 92},
	{19, 0x7fff0, 3, 95},
	{20, 0xfffe6, 8, 98},
	{21, 0x1fffdc, 13, 106},
	{22, 0x3fffd2, 26, 119},
	{23, 0x7fffd8, 29, 145},
	{24, 0xffffea, 12, 174},
	{25, 0x1ffffec, 4, 186},
	{26, 0x3ffffe0, 15, 190},
	{27, 0x7ffffde, 19, 205},
	{28, 0xfffffe2, 29, 224},
	{30, 0x3ffffffc, 4, 253},
}

// huffmanSymbols are the symbols by code; 256 is the end of the string.
var huffmanSymbols = [257]uint16{
	48, 49, 50, 97, 99, 101, 105, 111, 115, 116, 32, 37, 45, 46, 47, 51,
	52, 53, 54, 55, 56, 57, 61, 65, 95, 98, 100, 102, 103, 104, 108, 109,
	110, 112, 114, 117, 58, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76,
	77, 78, 79, 80, 81, 82, 83, 84, 85, 86, 87, 89, 106, 107, 113, 118,
	119, 120, 121, 122, 38, 42, 44, 59, 88, 90, 33, 34, 40, 41, 63, 39,
	43, 124, 35, 62, 0, 36, 64, 91, 93, 126, 94, 125, 60, 96, 123, 92,
	195, 208, 128, 130, 131, 162, 184, 194, 224, 226, 153, 161, 167, 172, 176, 177,
	179, 209, 216, 217, 227, 229, 230, 129, 132, 133, 134, 136, 146, 154, 156, 160,
	163, 164, 169, 170, 173, 178, 181, 185, 186, 187, 189, 190, 196, 198, 228, 232,
	233, 1, 135, 137, 138, 139, 140, 141, 143, 147, 149, 150, 151, 152, 155, 157,
	158, 165, 166, 168, 174, 175, 180, 182, 183, 188, 191, 197, 231, 239, 9, 142,
	144, 145, 148, 159, 171, 206, 215, 225, 236, 237, 199, 207, 234, 235, 192, 193,
	200, 201, 202, 205, 210, 213, 218, 219, 238, 240, 242, 243, 255, 203, 204, 211,
	212, 214, 221, 222, 223, 241, 244, 245, 246, 247, 248, 250, 251, 252, 253, 254,
	2, 3, 4, 5, 6, 7, 8, 11, 12, 14, 15, 16, 17, 18, 19, 20,
	21, 23, 24, 25, 26, 27, 28, 29, 30, 31, 127, 220, 249, 10, 13, 22,
	256,
}

// appendHuffman appends the decoded form of b, at most limit bytes. It is not ok
// when a code or the padding is wrong (RFC 7541 section 5.2).
func appendHuffman(dst, b []byte, limit int) ([]byte, bool) {
	var acc uint64 // bits not yet used, at the top
	have := uint(0)
	for {
		for have <= 56 && len(b) > 0 {
			acc |= uint64(b[0]) << (56 - have)
			have += 8
			b = b[1:]
		}
		sym, n := huffmanSymbol(uint32(acc >> 32))
		if n == 0 || n > have {
			break
		}
		if sym == 256 || limit == 0 {
			return dst, false
		}
		limit--
		dst = append(dst, byte(sym))
		acc <<= n
		have -= n
	}
	padded := have < 8 && acc == ^uint64(0)<<(64-have)
	return dst, padded || have == 0
}

// huffmanSymbol finds the code at the top of acc and its length, 0 for none.
func huffmanSymbol(acc uint32) (uint16, uint) {
	for i := range huffmanLevels {
		l := &huffmanLevels[i]
		if at := acc>>(32-l.bits) - l.first; at < l.count {
			return huffmanSymbols[l.index+at], uint(l.bits)
		}
	}
	return 0, 0
}
