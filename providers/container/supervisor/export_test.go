package supervisor

import "time"

// SetPatience bounds how long a client waits for a supervisor that is ending.
func (c *Client) SetPatience(d time.Duration) { c.patience = d }
