//! Detects the beginning and the end of an outage, so that each is logged once.

/// The state of a dependency, as its users observe it.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    lasts: bool,
}

impl Outage {
    /// Records a failure. Returns true if the outage begins with it.
    pub(crate) fn begins(&mut self) -> bool {
        !std::mem::replace(&mut self.lasts, true)
    }

    /// Records a success. Returns true if it ends an outage.
    pub(crate) fn ends(&mut self) -> bool {
        std::mem::take(&mut self.lasts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_beginning_and_each_end_is_news_once() {
        let mut outage = Outage::default();
        assert!(!outage.ends(), "nothing was away");
        assert_eq!([outage.begins(), outage.begins()], [true, false]);
        assert_eq!([outage.ends(), outage.ends()], [true, false]);
    }
}
