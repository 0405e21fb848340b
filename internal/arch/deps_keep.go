//go:build never

// Package arch is a temporary anchor for dependencies while parts are being written.
package arch

import (
	_ "aead.dev/minisign"
	_ "connectrpc.com/connect"
	_ "github.com/alexedwards/scs/v2"
	_ "github.com/cilium/ebpf"
	_ "github.com/danielgtaylor/huma/v2"
	_ "github.com/duckdb/duckdb-go/v2"
	_ "github.com/eclipse/paho.golang/paho"
	_ "github.com/gopacket/gopacket"
	_ "github.com/google/go-cmp/cmp"
	_ "github.com/jackc/pgx/v5"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/klauspost/compress/zstd"
	_ "github.com/mdlayher/netlink"
	_ "github.com/miekg/dns"
	_ "github.com/mochi-mqtt/server/v2"
	_ "github.com/nats-io/nats-server/v2/server"
	_ "github.com/nats-io/nats.go"
	_ "github.com/pion/rtp"
	_ "github.com/pressly/goose/v3"
	_ "github.com/prometheus/client_golang/prometheus"
	_ "github.com/rogpeppe/go-internal/testscript"
	_ "github.com/schollz/progressbar/v3"
	_ "github.com/spf13/cobra"
	_ "github.com/vishvananda/netlink"
	_ "github.com/vishvananda/netns"
	_ "go.yaml.in/yaml/v4"
	_ "golang.org/x/crypto/argon2"
	_ "golang.org/x/sys/unix"
	_ "google.golang.org/protobuf/proto"
	_ "modernc.org/sqlite"
)
