package cgroup

import "strconv"

// setting is a value for one of the kernel's files.
type setting struct{ file, value string }

// way is how one version of control groups, or one scheduler, does a limit: what is written,
// in this order. The first file tells whether it is there.
type way []setting

// knob is one of the Limits. Every way that is there is used; of most there is one.
type knob struct {
	limit      string // as users call it
	controller string // as version 2 calls it
	asked      bool   // whether there shall be a limit
	ways       []way
}

// period is that of CPU limits, in microseconds: the kernel's default.
const period = 100_000

// knobs are the limits without those of memory and of devices, which are no plain values.
func knobs(l Limits) []knob {
	quota, max := "-1", "max"
	if l.CPUs > 0 {
		quota = strconv.FormatInt(l.quota(), 10)
		max = quota
	}
	pids := "max"
	if l.PIDs > 0 {
		pids = strconv.FormatInt(l.PIDs, 10)
	}
	cpuWeight, ioWeight := orDefault(l.CPUWeight), orDefault(l.IOWeight)
	perPeriod := strconv.Itoa(period)
	return []knob{
		{"cpus", "cpu", l.CPUs > 0, []way{
			{{"cpu.max", max + " " + perPeriod}},
			{{"cpu.cfs_period_us", perPeriod}, {"cpu.cfs_quota_us", quota}},
		}},
		{"cpu_weight", "cpu", l.CPUWeight > 0, []way{
			{{"cpu.weight", strconv.Itoa(cpuWeight)}},
			{{"cpu.shares", strconv.Itoa(shares(cpuWeight))}},
		}},
		{"pids", "pids", l.PIDs > 0, []way{
			{{"pids.max", pids}},
		}},
		{"io_weight", "io", l.IOWeight > 0, []way{
			{{"io.weight", "default " + strconv.Itoa(ioWeight)}},
			{{"io.bfq.weight", strconv.Itoa(bfqWeight(ioWeight))}},
			{{"blkio.bfq.weight", strconv.Itoa(bfqWeight(ioWeight))}},
		}},
	}
}

// quota is how many microseconds of a period the CPU limit is.
func (l Limits) quota() int64 { return int64(l.CPUs*period + 0.5) }

const defaultWeight = 100

func orDefault(weight int) int {
	if weight == 0 {
		return defaultWeight
	}
	return weight
}

// shares gives what version 1 calls a weight, as the kernel itself does for version 2, so
// that groups of both get the same part: sched_weight_from_cgroup in kernel/sched/sched.h.
func shares(weight int) int { return (weight*1024 + defaultWeight/2) / defaultWeight }

// bfqWeight maps the weights above 100 to those of the BFQ scheduler, which end at 1000, as
// systemd does.
func bfqWeight(weight int) int {
	if weight <= defaultWeight {
		return weight
	}
	return defaultWeight + (weight-defaultWeight)*(1000-defaultWeight)/(10000-defaultWeight)
}
