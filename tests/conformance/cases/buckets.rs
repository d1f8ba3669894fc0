//! Cases of buckets and slots.

use super::make::{BUCKET, LEAKY, OWN_BUCKET, ask, back, denied, fits, own, slot, take, told};
use super::{Case, Told};

pub(super) static CASES: &[Case] = &[
    Case {
        name: "override: a bucket's burst too",
        align_ms: 1,
        steps: &[
            own(0, &OWN_BUCKET, "1 burst=6"),
            take(
                200,
                true,
                &[ask(&OWN_BUCKET, 6)],
                &[Told {
                    own: 1,
                    ..told(1, 0)
                }],
            ),
            own(300, &OWN_BUCKET, ""),
            take(
                400,
                false,
                &[ask(&OWN_BUCKET, 1)],
                &[denied(0, [4700, 4900])],
            ),
        ],
    },
    Case {
        name: "token_bucket: the burst, then the rate",
        align_ms: 1,
        steps: &[
            take(0, true, &[ask(&BUCKET, 4)], &[fits(0, [400, 500])]),
            take(200, false, &[ask(&BUCKET, 1)], &[denied(0, [200, 300])]),
            take(700, true, &[ask(&BUCKET, 1)], &[told(1, 0)]),
            take(800, false, &[ask(&BUCKET, 5)], &[told(-1, 0)]),
            take(800, false, &[ask(&BUCKET, 4)], &[denied(0, [1600, 1700])]),
        ],
    },
    Case {
        name: "token_bucket: what has flowed in is not given back again",
        align_ms: 1,
        steps: &[
            take(0, true, &[ask(&BUCKET, 4)], &[told(1, 0)]),
            back(200, 0, 2, 2),
            take(300, true, &[ask(&BUCKET, 2)], &[told(1, 0)]),
            back(2600, 0, 1, 0),
        ],
    },
    Case {
        name: "leaky_bucket: each waits for its turn, and nobody longer than max_delay",
        align_ms: 1,
        steps: &[
            take(0, true, &[ask(&LEAKY, 1)], &[fits(2, [400, 500])]),
            take(
                50,
                true,
                &[ask(&LEAKY, 1)],
                &[Told {
                    retry_ms: [350, 450],
                    ..told(1, 1)
                }],
            ),
            take(
                700,
                true,
                &[ask(&LEAKY, 1)],
                &[Told {
                    retry_ms: [200, 300],
                    ..told(1, 1)
                }],
            ),
            take(
                1200,
                true,
                &[ask(&LEAKY, 3)],
                &[Told {
                    retry_ms: [200, 300],
                    ..told(1, 0)
                }],
            ),
            take(1600, false, &[ask(&LEAKY, 1)], &[denied(0, [200, 300])]),
        ],
    },
    Case {
        name: "leaky_bucket: only the last turn goes back",
        align_ms: 1,
        steps: &[
            take(0, true, &[ask(&LEAKY, 2)], &[told(1, 1)]),
            take(
                50,
                true,
                &[ask(&LEAKY, 1)],
                &[Told {
                    retry_ms: [900, 950],
                    ..told(1, 0)
                }],
            ),
            back(1000, 0, 2, 0),
            back(1050, 1, 1, 0),
        ],
    },
    Case {
        name: "concurrency: as many as there are slots, each once",
        align_ms: 1,
        steps: &[
            take(0, true, &[slot(1)], &[told(1, 1)]),
            take(100, true, &[slot(1)], &[told(1, 1)]),
            take(200, true, &[slot(2)], &[told(1, 0)]),
            take(300, false, &[slot(3)], &[told(-2, 0)]),
            back(400, 0, 1, 1),
            take(600, true, &[slot(3)], &[told(1, 0)]),
        ],
    },
    Case {
        name: "concurrency: a slot that nobody gives back ends by itself",
        align_ms: 1,
        steps: &[
            take(0, true, &[slot(1)], &[told(1, 1)]),
            take(1000, true, &[slot(2)], &[told(1, 0)]),
            take(
                1500,
                false,
                &[slot(3)],
                &[Told {
                    retry_ms: [1400, 1500],
                    ..told(-2, 0)
                }],
            ),
            take(3200, true, &[slot(3)], &[told(1, 0)]),
            back(3300, 0, 1, 0),
        ],
    },
];
