package network

import (
	"context"
	"time"

	"github.com/diyform/diyform/providers"
)

type pingData struct {
	Namespace string `diy:"namespace" format:"namespace" doc:"Network namespace to ping from. Left out, it is the host's."`
	Target    string `diy:"target,required" doc:"IP address to ping, or a name, which the host's resolver looks up whatever the namespace. A link-local address needs its interface: fe80::1%eth0."`
	Count     int    `diy:"count" default:"1" min:"1" max:"1000" doc:"How many answers to wait for."`
	Timeout   int    `diy:"timeout" default:"5" min:"1" max:"3600" unit:"seconds" doc:"How long to go on sending until there are so many answers."`
	Interval  int    `diy:"interval" default:"200" min:"10" max:"60000" unit:"milliseconds" doc:"Time between two requests."`
	Size      int    `diy:"size" default:"56" min:"16" max:"65000" unit:"bytes" doc:"Data in each request. The packet is larger by 28 bytes for IPv4, 48 for IPv6."`

	Sent     *int     `diy:"sent,computed" doc:"Requests sent."`
	Received *int     `diy:"received,computed" doc:"Answers received: 0 when the target does not answer, which is no error."`
	Loss     *float64 `diy:"loss,computed" unit:"percent" doc:"Requests without an answer. The first ones after a network was made may be lost while it learns its neighbours."`
	MinMS    float64  `diy:"min_ms,computed" unit:"milliseconds" doc:"Shortest round trip. Null without answers."`
	AvgMS    float64  `diy:"avg_ms,computed" unit:"milliseconds" doc:"Average round trip. Null without answers."`
	MaxMS    float64  `diy:"max_ms,computed" unit:"milliseconds" doc:"Longest round trip. Null without answers."`
	Error    string   `diy:"error,computed" doc:"Why the last request could not even be sent. Null when it could."`
}

type pingSource struct{}

func definePingData() providers.DataDef[*session] {
	return providers.DefineData("ping",
		"Sends ICMP echo requests from a network namespace until enough are answered or the timeout is over. "+
			"That none is answered is no error: received is 0 then.", pingSource{})
}

func (pingSource) Read(ctx context.Context, k *session, v *pingData) error {
	probe, cancel := context.WithTimeout(ctx, time.Duration(v.Timeout)*time.Second)
	defer cancel()
	to, err := k.resolve(probe, v.Namespace, v.Target, "target")
	if err != nil {
		return err
	}
	ns, err := k.namespace(v.Namespace)
	if err != nil {
		return namespaceError(v.Namespace, err)
	}
	e, err := openEcho(ns, to, v.Size)
	if err != nil {
		return err
	}
	defer e.close()
	if err := e.run(probe, v.Count, time.Duration(v.Interval)*time.Millisecond); err != nil {
		return err
	}
	v.observe(e)
	return nil
}

func (v *pingData) observe(e *echo) {
	sent, received := e.sent, len(e.trips)
	loss := 0.0
	if sent > 0 {
		loss = float64(100*(sent-received)) / float64(sent)
	}
	v.Sent, v.Received, v.Loss = &sent, &received, &loss
	if e.sendErr != nil {
		v.Error = e.sendErr.Error()
	}
	if received == 0 {
		return
	}
	least, most, sum := e.trips[0], e.trips[0], time.Duration(0)
	for _, t := range e.trips {
		least, most, sum = min(least, t), max(most, t), sum+t
	}
	v.MinMS, v.MaxMS = milliseconds(least), milliseconds(most)
	v.AvgMS = milliseconds(sum / time.Duration(received))
}
