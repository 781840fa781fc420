// The Lua that shards run in a saga. Private to scripts.cc.
//
// A marker is 'A' (aborted: the step never runs any more), or cmsgpack of
//   {state, had, ttls, prints, expiries, marks, replies}
// with one entry for each key: state 'P' prepared or 'D' done; had '1' when the key existed, '0'
// when not, '?' when nobody looked (AppendNativeSetStep), and its PTTL then; the fingerprint of
// what the step left, and when that expires (0: never); marks of a partial undo ('u' undone). A 'P'
// marker with an 'X' appended to it: the client's commands ran, and SEAL did not. cmsgpack.unpack
// returns that X as a second value.
#pragma once

namespace ringmaster::lua {

// UNDO and SEAL must work when memory is short: undoing is what frees it.
inline constexpr char kAllowOom[] = "#!lua flags=allow-oom\n";

// The fingerprint of what a key holds. DUMP is no fingerprint for hashes and sets, whose order
// changes under reads (rehashing); they are sorted. Above 20,000 elements the type and the number
// of elements have to do, of long strings the length and both ends.
inline constexpr char kPrint[] = R"lua(
local function sorted(list,step)
  local t={}
  for i=1,#list,step do
    t[#t+1]=#list[i]..':'..list[i]..(step==2 and list[i+1] or '')
  end
  table.sort(t)
  return redis.sha1hex(table.concat(t,','))
end
-- Of a hash whose fields have times to live: those without, when the first of the others goes, and
-- the others. Servers that know none are not asked: an error in a script would be counted.
local timed=(redis.REDIS_VERSION_NUM or 0)>=0x70400 or (redis.VALKEY_VERSION_NUM or 0)>=0x90000
local function hash_of(k)
  local all=redis.call('HGETALL',k)
  local stays,goes,first={},{},nil
  for from=1,#all,2000 do
    local names={}
    for i=from,math.min(from+1998,#all-1),2 do names[#names+1]=all[i] end
    local times=redis.call('HPEXPIRETIME',k,'FIELDS',#names,unpack(names))
    for j=1,#names do
      local i,t=from+2*j-2,times[j]
      local text=#all[i]..':'..all[i]..all[i+1]
      if t<0 then stays[#stays+1]=text
      else
        goes[#goes+1]=text..':'..string.format('%.0f',t)
        if not first or t<first then first=t end
      end
    end
  end
  if not first then return 'h'..sorted(all,2) end
  table.sort(stays)
  table.sort(goes)
  return 'h'..redis.sha1hex(table.concat(stays,','))..':'..string.format('%.0f',first)..':'..redis.sha1hex(table.concat(goes,','))
end
local counts={hash='HLEN',set='SCARD',list='LLEN',zset='ZCARD',stream='XLEN'}
local function print_of(k)
  local t=redis.call('TYPE',k).ok
  if t=='none' then return '' end
  if t=='string' then
    local n=redis.call('STRLEN',k)
    if n<=40 then return 's='..redis.call('GET',k) end
    if n<=65536 then return 's'..redis.sha1hex(redis.call('GET',k)) end
    return 's'..n..redis.sha1hex(redis.call('GETRANGE',k,0,32767))..redis.sha1hex(redis.call('GETRANGE',k,-32768,-1))
  end
  local count=counts[t]
  local n=count and redis.call(count,k) or 0
  if n>20000 then return t..n end
  if t=='hash' then return timed and hash_of(k) or 'h'..sorted(redis.call('HGETALL',k),2) end
  if t=='set' then return 'e'..sorted(redis.call('SMEMBERS',k),1) end
  return t..redis.sha1hex(redis.call('DUMP',k))
end
local function now_ms()
  local t=redis.call('TIME')
  return t[1]*1000+math.floor(t[2]/1000)
end
local function expiry_of(k)
  local ttl=redis.call('PTTL',k)
  if ttl<0 then return 0 end
  return now_ms()+ttl
end
-- What the key holds now is what the fingerprint was taken of, or what time has left of it.
local function same_as(now,was,expiry)
  if now==was then return true end
  if now=='' and expiry>0 and expiry<=now_ms() then return true end
  local stays,first=was:match('^h(%x+):(%d+):')
  if not stays or tonumber(first)>now_ms() then return false end
  return (now=='' and redis.sha1hex('') or now:match('^h(%x+)'))==stays
end
)lua";

// KEYS: marker, then key and image of each   ARGV: kinds, image_max
// Shared by STEP and PREPARE: looks before anything is written, so that a refusal has done nothing.
inline constexpr char kLook[] = R"lua(
local function look(n,kinds,max)
  local had,ttls={},{}
  for i=1,n do
    local k=KEYS[2*i]
    local ttl=redis.call('PTTL',k)
    ttls[i]=ttl
    had[i]=ttl~=-2 and '1' or '0'
    if ttl~=-2 then
      local kind=kinds:sub(i,i)
      if kind=='N' then return {'EXISTS',i} end
      if kind=='I' and redis.call('MEMORY','USAGE',k,'SAMPLES','5')>max then
        return redis.error_reply('RMLIMIT a value that would have to be copied is larger than '..max..' bytes')
      end
    end
  end
  return nil,had,ttls
end
local function copy(k,img)
  local r=redis.pcall('COPY',k,img)
  if type(r)=='table' and r.err then
    local ttl=redis.call('PTTL',k)
    redis.call('RESTORE',img,ttl>=0 and math.max(ttl,1) or 0,redis.call('DUMP',k))
  end
end
)lua";

// KEYS: marker, then key and image of each
// ARGV: kinds, image_max, keep replies, number of commands, then for each its length and its words
inline constexpr char kStep[] = R"lua(
local m,kinds=KEYS[1],ARGV[1]
local n=#kinds
local old=redis.call('GET',m)
if old then
  if old=='A' then return {'ABORTED'} end
  local s=cmsgpack.unpack(old)
  return {'DUP',table.concat(s[2]),s[7]}
end
local refusal,had,ttls=look(n,kinds,tonumber(ARGV[2]))
if refusal then return refusal end
for i=1,n do
  if had[i]=='1' then
    if kinds:sub(i,i)=='W' then redis.call('RENAME',KEYS[2*i],KEYS[2*i+1]) else copy(KEYS[2*i],KEYS[2*i+1]) end
  end
end
local replies,p={},5
for c=1,tonumber(ARGV[4]) do
  local words=tonumber(ARGV[p])
  local r=redis.pcall(unpack(ARGV,p+1,p+words))
  if type(r)=='table' and r.err then
    for i=1,n do
      if had[i]=='1' then redis.call('RENAME',KEYS[2*i+1],KEYS[2*i]) else redis.call('UNLINK',KEYS[2*i]) end
    end
    return r
  end
  if ARGV[3]=='1' then replies[c]=r end
  p=p+words+1
end
local prints,expiries={},{}
for i=1,n do
  prints[i]=print_of(KEYS[2*i])
  expiries[i]=expiry_of(KEYS[2*i])
end
local kept=replies
if #cmsgpack.pack(replies)>4096 then kept={} end
redis.call('SET',m,cmsgpack.pack({'D',had,ttls,prints,expiries,'',kept}))
return {'OK',table.concat(had),replies}
)lua";

// STEP for the commonest work: each key gets a string. Half the calls of the general one, because
// what is written need not be read back for its fingerprint. KEYS: marker, then key and image of
// each   ARGV: kinds, then a value for each key
inline constexpr char kSetStep[] = R"lua(
local call=redis.call
local m,kinds=KEYS[1],ARGV[1]
local n=#kinds
local old=call('GET',m)
if old then
  if old=='A' then return {'ABORTED'} end
  local s=cmsgpack.unpack(old)
  return {'DUP',table.concat(s[2]),{}}
end
local had,ttls,prints,expiries,pairs={},{},{},{},{}
for i=1,n do
  local k,v=KEYS[2*i],ARGV[i+1]
  local ttl=call('PTTL',k)
  if ttl~=-2 and kinds:byte(i)==78 then return {'EXISTS',i} end
  ttls[i]=ttl
  had[i]=ttl~=-2 and '1' or '0'
  expiries[i]=0
  pairs[2*i-1]=k
  pairs[2*i]=v
  if #v<=40 then prints[i]='s='..v
  elseif #v<=65536 then prints[i]='s'..redis.sha1hex(v)
  else prints[i]='s'..#v..redis.sha1hex(v:sub(1,32768))..redis.sha1hex(v:sub(-32768)) end
end
for i=1,n do
  if had[i]=='1' then call('RENAME',KEYS[2*i],KEYS[2*i+1]) end
end
if n<=1000 then
  call('MSET',unpack(pairs))
else
  for i=1,n do call('SET',pairs[2*i-1],pairs[2*i]) end
end
call('SET',m,cmsgpack.pack({'D',had,ttls,prints,expiries,'',{}}))
return {'OK',table.concat(had),{}}
)lua";

// KEYS: marker, then key and image of each, then copies
// ARGV: kinds, image_max, then payload and time to live of each copy
// Keys of kind W are renamed to their images only when the client's commands run.
inline constexpr char kPrepare[] = R"lua(
local m,kinds=KEYS[1],ARGV[1]
local n=#kinds
local old=redis.call('GET',m)
if old then return {old=='A' and 'ABORTED' or 'DUP',''} end
local refusal,had,ttls=look(n,kinds,tonumber(ARGV[2]))
if refusal then return refusal end
for i=1,n do
  if had[i]=='1' and kinds:sub(i,i)=='I' then copy(KEYS[2*i],KEYS[2*i+1]) end
end
local first=2+2*n
for i=first,#KEYS do
  local a=3+2*(i-first)
  local r=ARGV[a]=='' and redis.call('UNLINK',KEYS[i]) or redis.pcall('RESTORE',KEYS[i],ARGV[a+1],ARGV[a],'REPLACE')
  if type(r)=='table' and r.err then
    for j=first,i do redis.call('UNLINK',KEYS[j]) end
    for j=1,n do redis.call('UNLINK',KEYS[2*j+1]) end
    return r
  end
end
redis.call('SET',m,cmsgpack.pack({'P',had,ttls,{},{},'',{}}))
return {'OK',table.concat(had),{}}
)lua";

// KEYS: marker, keys
inline constexpr char kSeal[] = R"lua(
local s=cmsgpack.unpack(redis.call('GET',KEYS[1]))
s[1]='D'
for i=2,#KEYS do
  s[4][i-1]=print_of(KEYS[i])
  s[5][i-1]=expiry_of(KEYS[i])
end
redis.call('SET',KEYS[1],cmsgpack.pack(s))
return 'OK'
)lua";

// KEYS: marker, then key and image of each, then copies   ARGV: number of keys, force,
// tombstone
// Copies are only dropped when the marker says that they were made: without it, these names may be
// owned by the shard by now.
inline constexpr char kUndo[] = R"lua(
local m,n,force=KEYS[1],tonumber(ARGV[1]),ARGV[2]=='1'
local function settle()
  if ARGV[3]=='1' then redis.call('SET',m,'A','EX',86400) else redis.call('UNLINK',m) end
end
local v=redis.call('GET',m)
if not v or v=='A' then
  settle()
  return {'NOTAPPLIED',''}
end
local s,ran=cmsgpack.unpack(v)
for i=2+2*n,#KEYS do redis.call('UNLINK',KEYS[i]) end
if s[1]=='P' and not ran then
  for i=1,n do redis.call('UNLINK',KEYS[2*i+1]) end
  settle()
  return {'NOTAPPLIED',''}
end
local marks,worst={},'UNDONE'
for i=1,n do
  local k,img=KEYS[2*i],KEYS[2*i+1]
  local mark=s[6]:sub(i,i)
  if mark~='u' then
    local same=force or s[1]=='P'
    if not same then
      same=same_as(print_of(k),s[4][i],s[5][i])
    end
    if not same then
      mark='c'
      if worst=='UNDONE' then worst='CONFLICT' end
    elseif redis.call('EXISTS',img)==1 then
      redis.call('RENAME',img,k)
      mark='u'
    elseif s[2][i]~='1' or s[3][i]>=0 then
      redis.call('UNLINK',k)
      mark='u'
    else
      mark='l'
      worst='IMAGELOST'
    end
  end
  marks[i]=mark
end
local all=table.concat(marks)
if worst=='UNDONE' then
  settle()
else
  s[6]=all
  redis.call('SET',m,cmsgpack.pack(s)..(ran and 'X' or ''))
end
return {worst,all}
)lua";

// KEYS: marker, images, copies   ARGV: number of images, tombstone
inline constexpr char kCleanup[] = R"lua(
local n=tonumber(ARGV[1])
local v=redis.call('GET',KEYS[1])
for i=2,n+1 do redis.call('UNLINK',KEYS[i]) end
if v and v~='A' then for i=n+2,#KEYS do redis.call('UNLINK',KEYS[i]) end end
if ARGV[2]=='1' then redis.call('SET',KEYS[1],'A','EX',86400) else redis.call('UNLINK',KEYS[1]) end
return 'OK'
)lua";

}  // namespace ringmaster::lua
