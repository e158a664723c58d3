"""A value that was estimated, with the ends of its interval."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A value with the ends of its interval; None where too little was measured for one."""

    value: float
    low: float | None = None
    high: float | None = None

    def over(self, other: "Estimate") -> "Estimate":
        """This divided by `other`, with ends that hold whatever the two have in common."""
        low = None if self.low is None or not other.high else self.low / other.high
        high = None if self.high is None or not other.low else self.high / other.low
        return Estimate(self.value / other.value, low, high)

    def times(self, factor: float) -> "Estimate":
        """This and its ends, each multiplied by a positive factor."""
        low, high = (None if end is None else end * factor for end in (self.low, self.high))
        return Estimate(self.value * factor, low, high)

    def centred(self, value: float) -> "Estimate":
        """This with another value, if that lies within its interval."""
        if self.low is None or self.high is None or self.low <= value <= self.high:
            return Estimate(value, self.low, self.high)
        return self

    def narrower(self, other: "Estimate") -> "Estimate":
        """This with the interval of `other`, another estimate of the same, where that is narrower."""
        if other.low is None or other.high is None:
            return self
        if self.low is not None and self.high is not None and self.high * other.low <= other.high * self.low:
            return self
        return Estimate(self.value, min(other.low, self.value), max(other.high, self.value))

    def turned(self) -> "Estimate":
        """One over it: how many times as slow what is so many times as fast is."""
        return Estimate(1.0, 1.0, 1.0).over(self)

    def excludes(self, bound: float) -> bool:
        """Whether the whole interval lies on one side of `bound`."""
        return self.exceeds(bound) or (self.high is not None and self.high < bound)

    def exceeds(self, bound: float) -> bool:
        """Whether the whole interval lies above `bound`."""
        return self.low is not None and self.low > bound
