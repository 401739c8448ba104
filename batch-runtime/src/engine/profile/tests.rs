//! Tests how times are split among components, with times made by hand.

use super::*;

fn by_wall(times: &[(Activity, u64)]) -> ChunkTimes {
    let mut chunk = ChunkTimes { watch: Some(Stopwatch::wall()), ..ChunkTimes::default() };
    for (activity, time) in times {
        chunk.times.add(*activity, *time);
    }
    chunk
}

fn profiler(chunks: &[&[(Activity, u64)]]) -> Profiler {
    let mut profiler = Profiler::default();
    for chunk in chunks {
        profiler.weight += 1;
        profiler.add(&by_wall(chunk));
    }
    profiler
}

#[test]
fn long_chunks_are_split_as_they_were_booked() {
    let chunk = [(Activity::Fill, 100_000), (Activity::Write, 20_000), (Activity::Commit, 30_000)];
    let mut profiler = profiler(&[&chunk, &chunk]);
    profiler.wall.items = vec![3, 1];
    let Split { wall, .. } = profiler.split(400_000, 0);
    assert_eq!((wall.read, wall.processors), (150_000, vec![50_000]));
    assert_eq!((wall.writers, wall.commit), (vec![40_000], 60_000));
}

#[test]
fn processors_share_the_rest_of_the_filling_in_the_proportions_of_their_laps() {
    let mut profiler = profiler(&[&[(Activity::Fill, 1_000_000)]]);
    profiler.wall.items = vec![50, 20, 30];
    let Split { wall, .. } = profiler.split(1_000_000, 0);
    assert_eq!((wall.read, wall.processors), (500_000, vec![200_000, 300_000]));
}

#[test]
fn the_parts_of_a_thread_with_sampled_chunks_add_up_to_its_time() {
    let mut profiler = Profiler::default();
    let mut measured = 0;
    for _ in 0..100 {
        let detail = Detail { items: 10, writers: false };
        let chunk = profiler.next(detail);
        if chunk.is_measured() {
            measured += 1;
            profiler.add(&by_wall(&[(Activity::Fill, 1_000), (Activity::Commit, 500)]));
        }
    }
    assert!(measured < 20, "{measured}");
    let Split { wall, .. } = profiler.split(300_000, 0);
    assert_eq!(wall.read + wall.commit, 300_000);
    assert_eq!(wall.commit, 100_000);
}

#[test]
fn timing_cheap_items_one_by_one_costs_a_small_part_of_the_time() {
    let mut profiler = Profiler::default();
    let (mut costs, mut highest) = (0, 0);
    for _ in 0..10_000 {
        let mut chunk = profiler.next(Detail { items: 100, writers: false });
        if let Some(laps) = &mut chunk.items {
            for _ in 0..100 {
                laps.next_item();
                laps.enter(0);
                laps.leave(0);
            }
            costs += laps.total_cost();
            highest = highest.max(laps.total_cost());
        }
        chunk.times.add(Activity::Fill, WORTH_MEASURING);
        profiler.add(&chunk);
    }
    // For each of the two clocks: the costs before the last ones have been earned.
    let earned = 10_000 * WORTH_MEASURING / COST_ONE_IN;
    assert!(costs <= 2 * (earned + highest), "{costs} of {earned}");
}

#[test]
fn the_cpu_time_of_a_thread_is_divided_as_the_samples_say() {
    let mut profiler = profiler(&[&[(Activity::Read, 80_000), (Activity::Process, 20_000)]]);
    profiler.cpu.times.add(Activity::Read, 10);
    profiler.cpu.times.add(Activity::Process, 30);
    let Split { wall, cpu, .. } = profiler.split(100_000, 40_000);
    assert_eq!((wall.read, wall.processors), (80_000, vec![20_000]));
    assert_eq!((cpu.read, cpu.processors), (10_000, vec![30_000]));
}

#[test]
fn only_reading_under_the_lock_keeps_others_from_reading() {
    let chunk = [(Activity::Wait, 5), (Activity::Read, 30), (Activity::Decode, 60), (Activity::Process, 5)];
    let split = profiler(&[&chunk]).split(100, 0);
    assert_eq!((split.locked, split.wall.read, split.wall.wait), (30, 90, 5));
}

#[test]
fn an_item_on_which_a_component_failed_shifts_nothing() {
    let mut laps = Laps::over(10, Stopwatch::wall());
    for has_failed in [true, false, true, false] {
        laps.next_item();
        laps.enter(1);
        // This takes longer than reading the clock, so that the time is visible wherever it is booked.
        std::thread::sleep(std::time::Duration::from_micros(50));
        if !has_failed {
            laps.leave(1);
        }
    }
    assert!(laps.times()[2..].iter().all(|time| *time == 0), "{laps:?}");
}

#[test]
fn a_time_is_divided_without_a_remainder() {
    assert_eq!(divided(100, &[1, 1, 1]).iter().sum::<u64>(), 100);
    assert_eq!(divided(7, &[]), [7]);
    assert_eq!(divided(0, &[]), [0; 0]);
}
