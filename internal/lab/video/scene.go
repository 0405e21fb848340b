// Package video knows the lab's moving picture: how a frame is drawn, how its
// number is read back from the picture, and how a JPEG frame becomes RTP
// packets and a frame again (RFC 2435). It knows nothing of sockets; the
// cameras and the viewers call it.
package video

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/jpeg"
	"time"
)

// The picture. Sides are multiples of 16, as RFC 2435 type 1 wants them.
const (
	Width   = 320
	Height  = 240
	FPS     = 15
	quality = 55
)

// The bar code: three rows of 32 cells at the top.
const (
	cell    = Width / 32
	codeTop = 8
)

const discRadius = 14

// Scene draws the frames of one camera. It is not safe for concurrent use.
type Scene struct {
	camera     uint8
	background *image.YCbCr
	frame      *image.YCbCr
	buf        bytes.Buffer
}

// NewScene prepares the picture of the camera with the given number.
func NewScene(camera uint8) *Scene {
	r := image.Rect(0, 0, Width, Height)
	s := &Scene{camera: camera, background: image.NewYCbCr(r, image.YCbCrSubsampleRatio420), frame: image.NewYCbCr(r, image.YCbCrSubsampleRatio420)}
	for y := range Height {
		for x := range Width {
			s.background.Y[y*s.background.YStride+x] = uint8(50 + y/4 + 12*((x/40+y/40)&1))
		}
	}
	for i := range s.background.Cb {
		s.background.Cb[i], s.background.Cr[i] = 128+24*(camera&3), 112+16*(camera&1)
	}
	return s
}

// JPEG draws and encodes frame n as of the given time. The bytes are valid
// until the next call.
func (s *Scene) JPEG(n uint32, at time.Time) ([]byte, error) {
	copy(s.frame.Y, s.background.Y)
	copy(s.frame.Cb, s.background.Cb)
	copy(s.frame.Cr, s.background.Cr)
	s.code(0, n)
	taken := uint32(at.UnixMilli())
	s.code(1, taken)
	s.code(2, check(s.camera, n, taken))
	x, y := discAt(n)
	s.disc(x, y)
	s.text(at.UTC().Format("2006-01-02 15:04:05"))
	s.buf.Reset()
	if err := jpeg.Encode(&s.buf, s.frame, &jpeg.Options{Quality: quality}); err != nil {
		return nil, fmt.Errorf("encode frame %d: %w", n, err)
	}
	return s.buf.Bytes(), nil
}

// check is the third row of the bar code: the camera and a check sum of all.
func check(camera uint8, n, taken uint32) uint32 {
	b := binary.BigEndian.AppendUint32([]byte{camera}, n)
	sum := crc32.ChecksumIEEE(binary.BigEndian.AppendUint32(b, taken))
	return uint32(camera)<<24 | sum&0xffffff
}

func (s *Scene) code(row int, bits uint32) {
	for i := range 32 {
		v := uint8(16)
		if bits>>(31-i)&1 == 1 {
			v = 235
		}
		s.fill(i*cell, codeTop+row*cell, cell, cell, v)
	}
}

func (s *Scene) fill(x0, y0, w, h int, v uint8) {
	for y := y0; y < y0+h; y++ {
		row := s.frame.Y[y*s.frame.YStride:]
		for x := x0; x < x0+w; x++ {
			row[x] = v
		}
	}
}

// discAt is where the moving disc is in frame n.
func discAt(n uint32) (x, y int) {
	x = 30 + int(n*5%(Width-60))
	y = 70 + int(n*3%120)
	return x, y
}

func (s *Scene) disc(cx, cy int) {
	for dy := -discRadius; dy <= discRadius; dy++ {
		for dx := -discRadius; dx <= discRadius; dx++ {
			if dx*dx+dy*dy <= discRadius*discRadius {
				s.frame.Y[(cy+dy)*s.frame.YStride+cx+dx] = 225
			}
		}
	}
}

// glyphs are 3 by 5 dots a digit, rows from the top, 3 bits a row.
var glyphs = map[rune][5]uint8{
	'0': {7, 5, 5, 5, 7}, '1': {2, 6, 2, 2, 7}, '2': {7, 1, 7, 4, 7}, '3': {7, 1, 7, 1, 7}, '4': {5, 5, 7, 1, 1},
	'5': {7, 4, 7, 1, 7}, '6': {7, 4, 7, 5, 7}, '7': {7, 1, 2, 2, 2}, '8': {7, 5, 7, 5, 7}, '9': {7, 5, 7, 1, 7},
	'-': {0, 0, 7, 0, 0}, ':': {0, 2, 0, 2, 0},
}

func (s *Scene) text(t string) {
	const dot = 3
	x := 8
	for _, r := range t {
		g := glyphs[r]
		for row, bits := range g {
			for col := range 3 {
				if bits>>(2-col)&1 == 1 {
					s.fill(x+col*dot, Height-24+row*dot, dot, dot, 240)
				}
			}
		}
		x += 4 * dot
	}
}

// Seen is what a picture says of itself.
type Seen struct {
	Camera uint8
	Number uint32
	taken  uint32 // when the frame was taken: low half of Unix milliseconds
}

// Age is how long before the given time the frame was taken, by the clock of
// the camera; good for 24 days either way.
func (s Seen) Age(at time.Time) time.Duration {
	return time.Duration(int32(uint32(at.UnixMilli())-s.taken)) * time.Millisecond
}

// Read decodes a JPEG and reads its frame number. It is an error when the
// picture is damaged: the bar code's check sum or the scene does not fit.
func Read(data []byte) (Seen, error) {
	img, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		return Seen{}, fmt.Errorf("frame: %w", err)
	}
	p, ok := img.(*image.YCbCr)
	if !ok || p.Rect.Dx() != Width || p.Rect.Dy() != Height {
		return Seen{}, fmt.Errorf("frame: is %T of %v, want %dx%d YCbCr", img, img.Bounds(), Width, Height)
	}
	n, last := readRow(p, 0), readRow(p, 2)
	seen := Seen{Camera: uint8(last >> 24), Number: n, taken: readRow(p, 1)}
	if last != check(seen.Camera, n, seen.taken) {
		return Seen{}, fmt.Errorf("frame: bar code %08x %08x %08x does not check", n, seen.taken, last)
	}
	x, y := discAt(n)
	far := (x+Width/2)%(Width-60) + 30
	if p.Y[y*p.YStride+x] < 190 || p.Y[y*p.YStride+far] > 170 {
		return Seen{}, fmt.Errorf("frame %d: the scene is not the one of this number", n)
	}
	return seen, nil
}

func readRow(p *image.YCbCr, row int) uint32 {
	var bits uint32
	y := codeTop + row*cell + cell/2
	for i := range 32 {
		bits <<= 1
		if p.Y[y*p.YStride+i*cell+cell/2] > 128 {
			bits |= 1
		}
	}
	return bits
}
