// Package rfb parses the handshake of the remote framebuffer protocol (VNC, RFC
// 6143): versions, security type and result, and the desktop's name. What
// follows the handshake it passes over. protocol/all lists it for the
// inspection engine.
package rfb
