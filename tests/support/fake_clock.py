"""A clock that only moves when work is done, and workloads of seeded cost."""


class FakeClock:
    """Reads `now`; each reading itself costs `reading`."""

    def __init__(self, reading=0.0):
        self.now, self.reading, self.readings = 0.0, reading, 0

    def __call__(self):
        self.now += self.reading
        self.readings += 1
        return self.now

    def work(self, seconds):
        """A workload that takes `seconds`."""

        def workload():
            self.now += seconds

        return workload
