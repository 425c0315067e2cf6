//! Everything that may turn out one way or another, tried one way after another.
//!
//! A step of the world asks [`Choices::of`] wherever chance would decide. Run again and again on
//! clones of one state until [`Choices::advance`] says no, it has taken every way.

/// One way through a step.
#[derive(Debug, Clone, Default)]
pub(super) struct Choices {
    /// What was chosen and among how many, in the order of asking.
    made: Vec<(u8, u8)>,
    asked: usize,
}

impl Choices {
    /// One of `ways`, the usual one first.
    pub(super) fn of(&mut self, ways: usize) -> usize {
        let ways = u8::try_from(ways).expect("few");
        assert!(ways > 0, "a choice among nothing");
        if ways == 1 {
            return 0;
        }
        if self.asked == self.made.len() {
            self.made.push((0, ways));
        }
        let (chosen, among) = self.made[self.asked];
        assert_eq!(among, ways, "the same state offers other choices");
        self.asked += 1;
        usize::from(chosen)
    }

    /// The next way, in the order of an odometer; false when all were taken.
    pub(super) fn advance(&mut self) -> bool {
        self.made.truncate(self.asked);
        self.asked = 0;
        while let Some((chosen, ways)) = self.made.pop() {
            if chosen + 1 < ways {
                self.made.push((chosen + 1, ways));
                return true;
            }
        }
        false
    }
}

#[test]
fn every_combination_is_taken_once() {
    let mut choices = Choices::default();
    let mut seen = Vec::new();
    loop {
        let first = choices.of(2);
        let second = if first == 0 { choices.of(3) } else { 0 };
        seen.push((first, second));
        if !choices.advance() {
            break;
        }
    }
    assert_eq!(seen, [(0, 0), (0, 1), (0, 2), (1, 0)]);
}
