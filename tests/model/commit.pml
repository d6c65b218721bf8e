/* One Hudi table of weir's and those who write it: the order of commit.cc, recovery.cc, history.cc,
 * attempt.cc and lock_object.cc, one step for each call that changes or reads what others see.
 * model_test.py says which switches make which world, and what must come out.
 *
 * What is taken for granted, as the code does: a put-if-absent is atomic, a listing shows what is
 * there, an object is seen whole or not at all. A put that was answered is durable.
 *
 * A world: WRITERS, ATTEMPTS, CRASHES, STALES (leases that end under a live holder), DOUBTS (puts
 * without an answer); FIRST (the table has no commit yet), STRANGER (another engine commits and
 * undoes without our lock).
 * NEW_CATALOG: its epochs start anew, the lake remembers more. Other switches are mutants.
 * A lease may end at any step, and the clock may stand. */

#ifndef WRITERS
#define WRITERS 2
#endif
#ifndef ATTEMPTS
#define ATTEMPTS 3
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef STALES
#define STALES 1
#endif
#ifndef DOUBTS
#define DOUBTS 1
#endif
/* Attempt 0 made the table; the last is the stranger's. */
#define STRANGERS (ATTEMPTS + 1)
#define ALL (ATTEMPTS + 2)
/* Two groups of the table's own, and one that each attempt may add. */
#define GROUPS (ATTEMPTS + 2)
#define NEW_GROUP(x) ((x) + 1)
#define NOWHERE 15
#define INSTANTS (ATTEMPTS + DOUBTS + 4)
#define PUT_TRIES 2
#define BIT(n) (1 << (n))

/* The catalog. */
byte lease_owner;  /* writer + 1; 0: free */
byte lease_epoch;

/* The lake. */
byte lock_epoch;
short requested;            /* instants that have this file */
byte requested_by[INSTANTS]; /* attempt + 1; not a file's content, for NothingLeftBehind alone */
byte inflight[INSTANTS];    /* attempt + 1 */
byte completed[INSTANTS];   /* attempt + 1 */
byte decided[INSTANTS];     /* attempt + 1, or UNDONE */
#define UNDONE 15
byte files[ALL];            /* groups of which this attempt has a data file there */
byte markers[ALL];

/* What an attempt has in its files: where each key is, and the tokens that were applied to it. */
byte made;                  /* attempts so far */
byte instant_of[ALL];
byte token_of[ALL];
byte where_[ALL * 2];
byte applied[ALL * 2];
short over;                 /* attempts that ended or died with the lease in hand */

/* What the commits so far say, in the order of their appearance. */
byte true_applied[2];
bool true_there[2];

/* PUBLISHING: a writer is between its last look and the end of its put. */
byte held_fast[WRITERS];

byte top;                   /* the newest instant that anybody ever tried */
byte crashes = CRASHES;
byte stales = STALES;
byte doubts = DOUBTS;

/* For counting; not a part of the state. */
hidden byte i, g, k, best, front, found;
hidden byte ConsistentRead, NoDupKey, NoLostUpdate, AtMostOneCommitPerToken, MonotonicInstants,
    NoUncommittedVisible, NothingLeftBehind, ReportIsTrue, CommitsAreForever;

#define hold(name, condition) name = (condition); assert(name)
/* Only another engine, which knows nothing of leases, does nothing meanwhile. */
#define PUBLISHING 4

#ifdef UNDOES_NEWER
#define IS_OLDER (u != t)
#else
#define IS_OLDER (u < t)
#endif

/* --- the timeline and what it shows ------------------------------------------------------- */

/* Timeline::load, into masks of instants. */
inline load_timeline(done, seen_inflight, seen_requested) {
  done = 0; seen_inflight = 0; seen_requested = 0;
  i = 1;
  do
  :: i < INSTANTS ->
    if
    :: completed[i] -> done = done | BIT(i)
    :: !completed[i] && inflight[i] -> seen_inflight = seen_inflight | BIT(i)
    :: !completed[i] && !inflight[i] && (requested & BIT(i)) -> seen_requested = seen_requested | BIT(i)
    :: else
    fi;
    i++
  :: else -> break
  od
}

inline find_front(done) {
  front = 1;
  do
  :: front < INSTANTS && !(done & BIT(front)) -> front++
  :: else -> break
  od
}

/* Timeline::shows_files_of: older than the first commit counts as committed. */
#define SHOWS(t, done, pending) (((done) & BIT(t)) || ((t) < front && (done) && !((pending) & BIT(t))))

/* live_files for one group: the attempt + 1 whose file counts. Of two of one instant the first by
 * name stays, and an earlier epoch comes first. Needs `front`. */
inline find_live(group, done, pending) {
  best = 0; i = 0;
  do
  :: i < ALL ->
    if
    :: (files[i] & BIT(group)) && SHOWS(instant_of[i], done, pending) &&
       (best == 0 || instant_of[best - 1] < instant_of[i]) -> best = i + 1
    :: else
    fi;
    i++
  :: else -> break
  od
}

/* --- operations --------------------------------------------------------------------------- */

/* Token 0 closes a version: key 0 leaves its group for the other, both are written anew. Token 1
 * changes key 1 in place, token 2 both keys. A key that is not there goes into a new group. */
#define CHANGES(t, key) ((t) == 2 || (t) == 3 && (key) == 1 || (t) == (key))

inline apply_operation(a, t, touched) {
  touched = 0; k = 0;
  do
  :: k < 2 ->
    if
    :: CHANGES(t, k) ->
      applied[a * 2 + k] = applied[a * 2 + k] | BIT(t);
      if
      :: where_[a * 2 + k] == NOWHERE -> where_[a * 2 + k] = NEW_GROUP(a)
      :: t == 0 && where_[a * 2 + k] < 2 ->
        touched = touched | 3;
        where_[a * 2 + k] = 1 - where_[a * 2 + k]
      :: else
      fi;
      touched = touched | BIT(where_[a * 2 + k])
    :: else
    fi;
    k++
  :: else -> break
  od
}

/* The state that an attempt goes on from, out of what a timeline and a listing of now show. */
inline take_state(a, done, pending) {
  find_front(done);
  where_[a * 2] = NOWHERE; where_[a * 2 + 1] = NOWHERE;
  g = 0;
  do
  :: g < GROUPS ->
    find_live(g, done, pending);
    k = 0;
    do
    :: k < 2 && best ->
      if
      :: where_[(best - 1) * 2 + k] == g && where_[a * 2 + k] == NOWHERE ->
        where_[a * 2 + k] = g;
        applied[a * 2 + k] = applied[(best - 1) * 2 + k]
      :: else
      fi;
      k++
    :: else -> break
    od;
    g++
  :: else -> break
  od
}

/* The completed file of an attempt appears. */
inline appear(a, t) {
  hold(CommitsAreForever, completed[t] == 0 || completed[t] == a + 1);
  i = 1;
  do
  :: i < INSTANTS ->
    hold(AtMostOneCommitPerToken,
                 i == t || completed[i] == 0 || token_of[completed[i] - 1] != token_of[a]);
    hold(MonotonicInstants, i <= t || completed[i] == 0);
    i++
  :: else -> break
  od;
  completed[t] = a + 1;
  k = 0;
  do
  :: k < 2 ->
    if
    :: CHANGES(token_of[a], k) ->
      true_applied[k] = true_applied[k] | BIT(token_of[a]);
      true_there[k] = true;
      /* What it says of a key is all that was said of it before, and its own. */
      hold(NoLostUpdate, applied[a * 2 + k] == true_applied[k])
    :: else
    fi;
    k++
  :: else -> break
  od
}

/* Removes what is below `.temp/<t>/`. */
inline remove_markers(t) {
  i = 0;
  do
  :: i < ALL -> if :: instant_of[i] == t -> markers[i] = 0 :: else fi; i++
  :: else -> break
  od
}

#include "writer.pml"
#include "others.pml"

init {
  d_step {
    where_[0] = NOWHERE; where_[1] = NOWHERE;
#if defined(FIRST) && !defined(NO_FIRST_COMMIT)
    /* The table is made with a commit that has no file. */
    requested = BIT(1); inflight[1] = 1; completed[1] = 1; instant_of[0] = 1; token_of[0] = 7; top = 1;
#endif
#ifndef FIRST
    requested = BIT(1); inflight[1] = 1; completed[1] = 1;
    instant_of[0] = 1; token_of[0] = 7; top = 1;
    files[0] = 3; where_[0] = 0; where_[1] = 1;
    true_there[0] = true; true_there[1] = true;
#endif
    over = BIT(0);
#ifdef NEW_CATALOG
    lock_epoch = 5;  /* the catalog is new, the lake is not */
#endif
  }
  atomic {
    run Reader();
#ifdef STRANGER
    run Stranger();
#endif
    byte w = 0;
    do
    :: w < WRITERS -> run Writer(w); w++
    :: else -> break
    od
  }
}
