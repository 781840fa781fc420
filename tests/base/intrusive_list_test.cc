#include "base/intrusive_list.h"

#include <gtest/gtest.h>

#include <string>

namespace ringmaster {
namespace {

struct Second {};

struct Item : ListHook<>, ListHook<Second> {
  explicit Item(char c) : name(c) {}
  bool linked_first() const { return static_cast<const ListHook<>*>(this)->linked(); }
  char name;
};

template <typename Tag>
std::string Names(const IntrusiveList<Item, Tag>& list) {
  std::string names;
  for (const Item* item = list.front(); item != nullptr; item = list.next(*item)) {
    names += item->name;
  }
  return names;
}

TEST(IntrusiveListTest, KeepsTheOrderOfPushing) {
  Item a('a'), b('b'), c('c');
  IntrusiveList<Item> list;
  list.PushBack(a);
  list.PushBack(b);
  list.PushFront(c);
  EXPECT_EQ(Names(list), "cab");
  EXPECT_EQ(list.front()->name, 'c');
  EXPECT_EQ(list.back()->name, 'b');
  while (list.PopFront() != nullptr) {
  }
}

TEST(IntrusiveListTest, IsEmptyAtFirstAndAfterTheLastOneLeft) {
  Item a('a');
  IntrusiveList<Item> list;
  EXPECT_TRUE(list.empty());
  EXPECT_EQ(list.front(), nullptr);
  EXPECT_EQ(list.back(), nullptr);
  EXPECT_EQ(list.PopFront(), nullptr);
  list.PushBack(a);
  EXPECT_FALSE(list.empty());
  EXPECT_EQ(list.PopFront(), &a);
  EXPECT_TRUE(list.empty());
  EXPECT_FALSE(a.linked_first());
}

TEST(IntrusiveListTest, LetsAnElementLeaveFromAnyPlace) {
  Item a('a'), b('b'), c('c');
  IntrusiveList<Item> list;
  list.PushBack(a);
  list.PushBack(b);
  list.PushBack(c);
  IntrusiveList<Item>::Remove(b);
  EXPECT_EQ(Names(list), "ac");
  IntrusiveList<Item>::Remove(a);
  EXPECT_EQ(Names(list), "c");
  list.PushBack(a);  // may come back
  EXPECT_EQ(Names(list), "ca");
  IntrusiveList<Item>::Remove(c);
  IntrusiveList<Item>::Remove(a);
}

TEST(IntrusiveListTest, AppendsAnotherListInOrderAndEmptiesIt) {
  Item a('a'), b('b'), c('c'), d('d');
  IntrusiveList<Item> list, other;
  list.PushBack(a);
  for (Item* item : {&b, &c}) other.PushBack(*item);
  list.Append(other);
  list.Append(other);  // empty by now
  EXPECT_EQ(Names(list), "abc");
  EXPECT_TRUE(other.empty());
  other.PushBack(d);  // and fit for use
  EXPECT_EQ(Names(other), "d");
  EXPECT_EQ(list.back()->name, 'c');
  while (list.PopFront() != nullptr) {
  }
  other.PopFront();
}

TEST(IntrusiveListTest, HoldsOneElementInTwoListsByTag) {
  Item a('a'), b('b');
  IntrusiveList<Item> list;
  IntrusiveList<Item, Second> reversed;
  for (Item* item : {&a, &b}) {
    list.PushBack(*item);
    reversed.PushFront(*item);
  }
  EXPECT_EQ(Names(list) + Names(reversed), "abba");
  IntrusiveList<Item>::Remove(a);
  EXPECT_EQ(Names(list) + Names(reversed), "bba");
  list.PopFront();
  reversed.PopFront();
  reversed.PopFront();
}

#ifndef NDEBUG
TEST(IntrusiveListDeathTest, CatchesAnElementDestroyedWhileLinked) {
  EXPECT_DEATH(
      {
        IntrusiveList<Item> list;
        Item a('a');
        list.PushBack(a);
      },
      "linked");
}
#endif

}  // namespace
}  // namespace ringmaster
