//! Cases of limits that count in windows: fixed, sliding, logged, of the calendar.

use super::make::{
    DAY, FIXED, HUGE, LEASED, LOG, OWN, SLIDING, ask, back, denied, fits, own, take, told,
};
use super::{Ask, Case, Told};

pub(super) static CASES: &[Case] = &[
    Case {
        name: "fixed_window: exactly the limit, then until the window ends",
        align_ms: 4000,
        steps: &[
            take(500, true, &[ask(&FIXED, 1)], &[fits(4, [3400, 3500])]),
            take(600, true, &[ask(&FIXED, 4)], &[fits(0, [3300, 3400])]),
            take(700, false, &[ask(&FIXED, 1)], &[denied(0, [3200, 3300])]),
            take(4100, true, &[ask(&FIXED, 1)], &[fits(4, [3800, 3900])]),
        ],
    },
    Case {
        name: "fixed_window: a cost counts, and one above the limit never fits",
        align_ms: 4000,
        steps: &[
            take(300, true, &[ask(&FIXED, 3)], &[told(1, 2)]),
            take(400, false, &[ask(&FIXED, 3)], &[told(0, 2)]),
            take(500, true, &[ask(&FIXED, 2)], &[told(1, 0)]),
            take(600, false, &[ask(&FIXED, 6)], &[told(-1, 0)]),
        ],
    },
    Case {
        name: "fixed_window: cost 0 looks",
        align_ms: 4000,
        steps: &[
            take(300, true, &[ask(&FIXED, 0)], &[told(1, 5)]),
            take(400, true, &[ask(&FIXED, 5)], &[told(1, 0)]),
            take(500, true, &[ask(&FIXED, 0)], &[told(1, 0)]),
        ],
    },
    Case {
        name: "fixed_window: costs above 2^31",
        align_ms: 4000,
        steps: &[
            take(300, true, &[ask(&HUGE, (1 << 40) - 1)], &[told(1, 1)]),
            take(400, false, &[ask(&HUGE, 2)], &[told(0, 1)]),
            take(500, true, &[ask(&HUGE, 1)], &[told(1, 0)]),
        ],
    },
    Case {
        name: "fixed_window: what is given back is there again, in its window only",
        align_ms: 4000,
        steps: &[
            take(300, true, &[ask(&FIXED, 5)], &[told(1, 0)]),
            back(500, 0, 3, 3),
            take(700, true, &[ask(&FIXED, 3)], &[told(1, 0)]),
            back(4300, 0, 2, 0),
            take(4500, true, &[ask(&FIXED, 5)], &[told(1, 0)]),
        ],
    },
    Case {
        name: "need and force: reserve first, settle later",
        align_ms: 4000,
        steps: &[
            take(
                300,
                true,
                &[Ask {
                    need: Some(1),
                    ..ask(&FIXED, 0)
                }],
                &[told(1, 5)],
            ),
            take(
                500,
                true,
                &[Ask {
                    force: true,
                    ..ask(&FIXED, 7)
                }],
                &[told(1, 0)],
            ),
            take(
                700,
                false,
                &[Ask {
                    need: Some(1),
                    ..ask(&FIXED, 0)
                }],
                &[denied(0, [3200, 3300])],
            ),
        ],
    },
    Case {
        name: "lease: charged when granted, an eighth of what is left at most",
        align_ms: 60_000,
        steps: &[
            take(
                300,
                true,
                &[Ask {
                    lease: 10,
                    ..ask(&LEASED, 1)
                }],
                &[Told {
                    leased: 10,
                    ..told(1, 149)
                }],
            ),
            take(
                500,
                true,
                &[Ask {
                    lease: 100,
                    ..ask(&LEASED, 1)
                }],
                &[Told {
                    leased: 18,
                    ..told(1, 130)
                }],
            ),
            back(700, 1, 18, 18),
            take(900, true, &[ask(&LEASED, 148)], &[told(1, 0)]),
            take(
                1000,
                true,
                &[Ask {
                    lease: 5,
                    ..ask(&LEASED, 0)
                }],
                &[told(1, 0)],
            ),
        ],
    },
    Case {
        name: "lease: a denial is not final while units are out that may come back",
        align_ms: 60_000,
        steps: &[
            take(
                300,
                true,
                &[Ask {
                    lease: 10,
                    ..ask(&LEASED, 1)
                }],
                &[Told {
                    leased: 10,
                    ..told(1, 149)
                }],
            ),
            take(500, true, &[ask(&LEASED, 149)], &[told(1, 0)]),
            take(1700, false, &[ask(&LEASED, 1)], &[told(-2, 0)]),
            take(1900, false, &[ask(&LEASED, 1)], &[told(0, 0)]),
        ],
    },
    Case {
        name: "calendar: a day of Berlin",
        align_ms: 86_400_000,
        steps: &[
            take(
                1000,
                true,
                &[ask(&DAY, 2)],
                &[fits(1, [21 * 3_600_000, 23 * 3_600_000])],
            ),
            take(
                1100,
                false,
                &[ask(&DAY, 2)],
                &[denied(1, [21 * 3_600_000, 23 * 3_600_000])],
            ),
            take(1200, true, &[ask(&DAY, 1)], &[told(1, 0)]),
        ],
    },
    Case {
        name: "override: from the next call on, what was used stays used",
        align_ms: 60_000,
        steps: &[
            take(300, true, &[ask(&OWN, 2)], &[told(1, 0)]),
            take(400, false, &[ask(&OWN, 1)], &[told(0, 0)]),
            own(500, &OWN, "5"),
            take(
                700,
                true,
                &[ask(&OWN, 1)],
                &[Told {
                    own: 5,
                    ..told(1, 2)
                }],
            ),
            own(900, &OWN, "nonsense"),
            take(1100, false, &[ask(&OWN, 1)], &[told(0, 0)]),
            own(1300, &OWN, ""),
            take(1500, false, &[ask(&OWN, 1)], &[told(0, 0)]),
        ],
    },
    Case {
        name: "sliding_window: the last window weighs less and less",
        align_ms: 4000,
        steps: &[
            take(3500, true, &[ask(&SLIDING, 10)], &[told(1, 0)]),
            // What was charged weighs 10 until the window ends, then a tenth less each 400 ms.
            take(3600, false, &[ask(&SLIDING, 1)], &[denied(0, [700, 800])]),
            take(4500, true, &[ask(&SLIDING, 1)], &[told(1, 0)]),
            take(6100, true, &[ask(&SLIDING, 4)], &[told(1, 0)]),
            take(6200, false, &[ask(&SLIDING, 11)], &[told(-1, 0)]),
        ],
    },
    Case {
        name: "sliding_window: what is given back weighs no more, in the next window either",
        align_ms: 4000,
        steps: &[
            take(3500, true, &[ask(&SLIDING, 10)], &[told(1, 0)]),
            back(4300, 0, 4, 4),
            take(4500, true, &[ask(&SLIDING, 4)], &[told(1, 0)]),
        ],
    },
    Case {
        name: "sliding_window_log: never more than the limit in any window",
        align_ms: 1,
        steps: &[
            take(0, true, &[ask(&LOG, 2)], &[told(1, 2)]),
            take(1000, true, &[ask(&LOG, 2)], &[told(1, 0)]),
            take(1500, false, &[ask(&LOG, 1)], &[denied(0, [1400, 1500])]),
            take(3200, true, &[ask(&LOG, 2)], &[told(1, 0)]),
            take(3300, false, &[ask(&LOG, 1)], &[denied(0, [600, 700])]),
            take(3400, false, &[ask(&LOG, 5)], &[told(-1, 0)]),
        ],
    },
    Case {
        name: "sliding_window_log: an entry that is given back counts no more",
        align_ms: 1,
        steps: &[
            take(0, true, &[ask(&LOG, 4)], &[told(1, 0)]),
            back(300, 0, 3, 3),
            take(500, true, &[ask(&LOG, 3)], &[told(1, 0)]),
            back(3300, 0, 1, 0),
        ],
    },
];
